//! A bucket that nodes share, on an S3 server of other authors.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::task::JoinSet;

use super::*;

const BUCKET: &str = "files";
const ACCESS_KEY: &str = "AKIDOFTHETESTS";
const SECRET_KEY: &str = "a secret of the tests";

/// An S3 server on a folder, until it is dropped.
pub(super) struct Server {
    endpoint: String,
    folder: tempfile::TempDir,
    _serving: JoinSet<()>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let http = Builder::new(TokioExecutor::new());
                    drop(http.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self {
            endpoint,
            folder,
            _serving: serving,
        }
    }

    /// A node's store in the bucket.
    pub(super) fn store(&self) -> (tempfile::TempDir, MediaStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), bucket(&self.endpoint)).unwrap();
        (folder, store)
    }

    /// The keys of all objects.
    fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let root = self.folder.path().join(BUCKET);
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(&root).unwrap();
                    keys.push(key.to_str().unwrap().to_owned());
                }
            }
        }
        keys.sort();
        keys
    }
}

fn bucket(endpoint: &str) -> BucketConfig {
    BucketConfig {
        endpoint: Some(endpoint.to_owned()),
        bucket: BUCKET.to_owned(),
        region: "us-east-1".to_owned(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        prefix: "media/of/gateway".to_owned(),
        allow_http: true,
    }
}

fn open(folder: &Path, bucket: BucketConfig) -> Result<MediaStore, OpError> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = MediaConfig {
        bucket: Some(bucket),
        age_max: None,
        session_bytes_max: None,
        file_bytes_max: FILE_BYTES_MAX,
        guard: Guard::new(Vec::new()),
    };
    MediaStore::open(folder, config)
}

fn scope_of(session: &str, uuid: &str) -> SessionScope {
    SessionScope {
        session: session.parse().unwrap(),
        uuid: uuid.into(),
        epoch: Epoch(1),
    }
}

#[tokio::test]
async fn a_session_that_moves_keeps_its_files_and_one_that_is_deleted_does_not() {
    let server = Server::start().await;
    let ((_one, from), (_two, to)) = (server.store(), server.store());
    let meta = put(&from, "m1", b"hello").await;
    let session = scope().session;
    // A neighbour, another tenant's session, and the next session of the same name.
    let others = [
        scope_of("default/ab", "u"),
        scope_of("other/a", "u"),
        scope_of("default/a", "u2"),
    ];
    for other in &others {
        let bytes = Bytes::from_static(b"hello");
        from.put(other, &meta, bytes).await.unwrap();
    }
    assert_eq!(
        server
            .keys()
            .iter()
            .filter(|key| key.ends_with("/m1"))
            .count(),
        4
    );
    assert!(
        server
            .keys()
            .contains(&"media/of/gateway/default/a/u/m1".to_owned())
    );

    // There is nothing to copy to the next owner, and nothing goes when the last one lets go.
    assert!(from.stored(&session).await.unwrap().is_empty());
    from.release(&session).await.unwrap();
    assert_eq!(
        to.read(&scope(), &meta.id, 0, 9).await.unwrap(),
        &b"hello"[..]
    );
    let downloader = Counting::default();
    let opened = to.open(&scope(), &meta.id, None, &downloader).await;
    assert_eq!(opened.unwrap(), meta);

    to.erase(&session, "u").await.unwrap();
    for store in [&from, &to] {
        let gone = store.read(&scope(), &meta.id, 0, 9).await.unwrap_err();
        assert_eq!(gone.code, ErrorCode::NotFound);
    }
    for other in &others {
        let kept = to.read(other, &meta.id, 0, 9).await.unwrap();
        assert_eq!(kept, &b"hello"[..], "{other:?}");
    }
    // Again, as every node does that sees the deletion.
    from.erase(&session, "u").await.unwrap();
}

#[tokio::test]
async fn many_files_are_listed_and_erased() {
    let server = Server::start().await;
    let (_folder, store) = server.store();
    for at in 0..30 {
        put(&store, &format!("m{at}"), b"hello").await;
    }
    let found = store.kept.newest_first(&scope(), 100).await.unwrap();
    assert_eq!(found.len(), 30);
    assert_eq!(store.kept.newest_first(&scope(), 7).await.unwrap().len(), 7);
    store.erase(&scope().session, &scope().uuid).await.unwrap();
    let found = store.kept.newest_first(&scope(), 100).await.unwrap();
    assert!(found.is_empty(), "{found:?}");
}

/// A node that gets a bucket keeps what its folder had, and what nodes without a bucket send it.
#[tokio::test]
async fn files_from_before_the_bucket_are_found() {
    let server = Server::start().await;
    let (folder, before) = store(&[]);
    let old = put(&before, "old", b"old").await;
    let both = put(&before, "both", b"old").await;
    drop(before);
    let store = open(folder.path(), bucket(&server.endpoint)).unwrap();
    let new = put(&store, "new", b"new").await;
    put(&store, "both", b"new").await;
    let sent = described("sent", b"sent");
    let session = scope().session;
    let copied = store.copy_in(&session, &sent, 0, Bytes::from_static(b"sent"));
    assert!(copied.await.unwrap());
    for (meta, bytes) in [
        (&old, "old"),
        (&both, "new"),
        (&new, "new"),
        (&sent, "sent"),
    ] {
        let read = store.read(&scope(), &meta.id, 0, 9).await.unwrap();
        assert_eq!(read, bytes, "{:?}", meta.id);
    }
    let found = store.kept.newest_first(&scope(), 100).await.unwrap();
    assert_eq!(found.len(), 4);
    // These follow the session when it moves.
    assert_eq!(store.stored(&session).await.unwrap().len(), 2);
    store.erase(&session, &scope().uuid).await.unwrap();
    let found = store.kept.newest_first(&scope(), 100).await.unwrap();
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn a_description_that_is_too_long_is_cut() {
    let server = Server::start().await;
    let (_folder, store) = server.store();
    let mut meta = described("m1", b"hello");
    meta.file_name = Some(format!("{}.txt", "語".repeat(2_000)));
    meta.mime_type = "x".repeat(5_000);
    let bytes = Bytes::from_static(b"hello");
    store.put(&scope(), &meta, bytes).await.unwrap();
    let found = store.kept.describe(&scope(), &meta.id).await.unwrap();
    let found = found.unwrap();
    assert!(found.file_name.unwrap().ends_with("語語.txt"));
    assert_eq!(found.mime_type, "application/octet-stream");
}

async fn error_of(config: BucketConfig) -> OpError {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), config).unwrap();
    let meta = described("m1", b"hello");
    let bytes = Bytes::from_static(b"hello");
    store.put(&scope(), &meta, bytes).await.unwrap_err()
}

#[tokio::test]
async fn a_bucket_that_is_no_help_is_said_clearly() {
    let server = Server::start().await;
    let (_folder, store) = server.store();
    store.check().await.unwrap();

    let mut strange = bucket(&server.endpoint);
    strange.secret_key = "another secret".to_owned();
    assert!(!format!("{strange:?}").contains("secret"));
    let mut missing = bucket(&server.endpoint);
    missing.bucket = "nowhere".to_owned();
    for config in [strange.clone(), missing] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), config).unwrap();
        let error = store.check().await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(!format!("{store:?}").contains("secret"));
    }
    // Nobody listens where nobody has listened since this socket was closed.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for config in [strange, bucket(&nobody)] {
        let error = error_of(config.clone()).await;
        assert_eq!(error.code, ErrorCode::Unavailable, "{config:?}");
        let internal = error.internal.unwrap();
        assert!(!internal.contains(ACCESS_KEY), "{internal}");
        assert!(!internal.contains("secret"), "{internal}");
        assert!(error.retry_after.is_some());
    }
}

/// A bucket on a server that answers everything with this.
async fn answering(status: &str, body: &str) -> BucketConfig {
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let url = url::Url::parse(&server(answer).await).unwrap();
    bucket(&format!("http://127.0.0.1:{}", url.port().unwrap()))
}

#[tokio::test]
async fn a_full_server_is_a_full_store() {
    let body = "<Error><Code>QuotaExceeded</Code></Error>";
    for (status, body) in [("507 Insufficient Storage", ""), ("403 Forbidden", body)] {
        let error = error_of(answering(status, body).await).await;
        assert_eq!(error.code, ErrorCode::StorageFull, "{:?}", error.internal);
    }
}

#[tokio::test]
async fn a_key_that_a_server_repeats_is_not_logged() {
    let body = format!(
        "<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId></Error>"
    );
    let error = error_of(answering("403 Forbidden", &body).await).await;
    assert_eq!(error.code, ErrorCode::Unavailable);
    let internal = error.internal.unwrap();
    assert!(internal.contains("InvalidAccessKeyId"), "{internal}");
    assert!(!internal.contains(ACCESS_KEY), "{internal}");
}
