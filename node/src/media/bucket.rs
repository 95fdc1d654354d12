//! Files of sessions in an S3 bucket that every node reaches: one object each, its description in the object's metadata.
//!
//! Owns the keys `<prefix>/<tenant>/<session>/<uuid>/<id>`. The uuid keeps the lives of a name apart: a node that learns late of a
//! deletion removes nothing of the session that has the name now. Must not know which node owns a session.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::ClientOptions;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, BackoffConfig, Error, GetOptions, GetRange, GetResult, ObjectStore,
    PutOptions, PutPayload, RetryConfig,
};
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::{ErrorCode, MediaId, OpError, SessionRef, Timestamp};

use crate::ports::SessionScope;

/// Longest wait for a connection to the server.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest one request with its body may take.
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(45);
/// How often a request is sent again when the server cannot be reached or says that it is not well.
const RETRIES_MAX: usize = 3;
/// After this no request is sent again.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest one call on the bucket may take, with everything that is sent again.
const CALL_WAIT_MAX: Duration = Duration::from_secs(60);
/// Longest the removal of a session's files may take.
const ERASE_WAIT_MAX: Duration = Duration::from_secs(300);
/// Longest description, in bytes as sent. Source: S3 takes 2 KiB of metadata for an object, names included.
const DESCRIPTION_BYTES_MAX: usize = 1_900;
/// What is left of a file name that does not fit into a description, in characters.
const NAME_CUT_CHARS: usize = 100;
/// The metadata field with the description.
const DESCRIPTION: &str = "switchboard";
/// Signs of a server that is full. Source: HTTP's 507; the error codes `XMinioStorageFull` and `XMinioAdminBucketQuotaExceeded` of
/// MinIO and `QuotaExceeded` of Ceph.
const FULL: [&str; 3] = [
    "status code: 507",
    "StorageFull</Code>",
    "QuotaExceeded</Code>",
];
/// Longest account of an error in our log, in characters.
const WORDS_CHARS_MAX: usize = 1_000;
/// When a caller may try again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Where the bucket is and who asks.
#[derive(Clone)]
pub struct BucketConfig {
    /// The server, e.g. `https://minio.example.org`; Amazon's own for the region when `None`.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// The name of the key.
    pub access_key: String,
    /// The key itself.
    pub secret_key: String,
    /// What every object's key begins with; empty for nothing.
    pub prefix: String,
    /// Whether the endpoint may be plain HTTP.
    pub allow_http: bool,
}

impl fmt::Debug for BucketConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketConfig")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("prefix", &self.prefix)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

/// The bucket.
pub(super) struct Bucket {
    store: AmazonS3,
    root: Path,
    access_key: String,
    file_bytes_max: u64,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    pub(super) fn new(config: BucketConfig, file_bytes_max: u64) -> Result<Self, OpError> {
        let client = ClientOptions::new()
            .with_allow_http(config.allow_http)
            .with_connect_timeout(CONNECT_WAIT_MAX)
            .with_timeout(REQUEST_WAIT_MAX);
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_WAIT_MAX,
        };
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client)
            .with_retry(retry)
            .with_bucket_name(config.bucket)
            .with_region(config.region)
            .with_access_key_id(config.access_key.clone())
            .with_secret_access_key(config.secret_key);
        if let Some(endpoint) = config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder
            .build()
            .map_err(|e| OpError::internal(format!("prepare the media bucket: {e}")))?;
        let root = Path::parse(config.prefix.trim_matches('/'))
            .map_err(|e| OpError::internal(format!("the media bucket's prefix: {e}")))?;
        Ok(Self {
            store,
            root,
            access_key: config.access_key,
            file_bytes_max,
        })
    }

    fn folder(&self, session: &SessionRef, uuid: &str) -> Path {
        let parts = [session.tenant.as_str(), session.session.as_str(), uuid];
        parts.into_iter().fold(self.root.clone(), Path::join)
    }

    fn path(&self, scope: &SessionScope, media: &MediaId) -> Path {
        self.folder(&scope.session, &scope.uuid)
            .join(media.as_str())
    }

    /// Asks the server for anything at all, to tell a wrong setting early.
    pub(super) async fn check(&self) -> Result<(), OpError> {
        let mut found = self.store.list(Some(&self.root));
        let first = async { found.next().await.transpose().map(drop) };
        self.within("look into the media bucket", CALL_WAIT_MAX, first)
            .await
    }

    /// Stores a file; whole or not at all.
    pub(super) async fn put(
        &self,
        scope: &SessionScope,
        meta: &StoredMedia,
        bytes: Bytes,
    ) -> Result<(), OpError> {
        let mut attributes = Attributes::new();
        attributes.insert(
            Attribute::Metadata(DESCRIPTION.into()),
            describe(meta)?.into(),
        );
        let options = PutOptions {
            attributes,
            ..PutOptions::default()
        };
        let path = self.path(scope, &meta.id);
        let put = self
            .store
            .put_opts(&path, PutPayload::from_bytes(bytes), options);
        self.within("store media", CALL_WAIT_MAX, put)
            .await
            .map(drop)
    }

    /// Ids of a session's files with when they were stored, those stored last first, at most `count_max`.
    pub(super) async fn newest_first(
        &self,
        scope: &SessionScope,
        count_max: usize,
    ) -> Result<Vec<(Timestamp, MediaId)>, OpError> {
        let folder = self.folder(&scope.session, &scope.uuid);
        let listed = self.store.list(Some(&folder)).take(count_max);
        let listed = listed.try_collect::<Vec<_>>();
        let listed = self.within("list media", CALL_WAIT_MAX, listed).await?;
        let mut found: Vec<_> = listed
            .into_iter()
            .filter_map(|object| {
                let at = u64::try_from(object.last_modified.timestamp_millis()).unwrap_or(0);
                let id = MediaId::parse(object.location.filename()?).ok()?;
                Some((Timestamp::from_millis(at), id))
            })
            .collect();
        found.sort_by(|one, other| other.cmp(one));
        Ok(found)
    }

    /// What is known of a file; `None` when it is not stored.
    pub(super) async fn describe(
        &self,
        scope: &SessionScope,
        media: &MediaId,
    ) -> Result<Option<StoredMedia>, OpError> {
        let path = self.path(scope, media);
        let found = self.head(&path);
        let found = self.within("describe media", CALL_WAIT_MAX, found).await?;
        let Some(found) = found else { return Ok(None) };
        // An object that nobody of ours has put there is no file.
        let text = found
            .attributes
            .get(&Attribute::Metadata(DESCRIPTION.into()));
        let parse = |text: &str| {
            let json = URL_SAFE_NO_PAD.decode(text).map_err(|e| e.to_string())?;
            serde_json::from_slice(&json).map_err(|e| e.to_string())
        };
        let parse = |text: &str| {
            parse(text)
                .map_err(|e| OpError::internal(format!("a media description is damaged: {e}")))
        };
        text.map(|text| parse(text)).transpose()
    }

    /// All bytes of a file.
    pub(super) async fn whole(
        &self,
        scope: &SessionScope,
        media: &MediaId,
    ) -> Result<Option<Bytes>, OpError> {
        let path = self.path(scope, media);
        let size_max = self.file_bytes_max;
        let read = async {
            let found = self.store.get_opts(&path, GetOptions::default()).await;
            let Some(found) = absent_is_none(found)? else {
                return Ok(None);
            };
            if found.meta.size > size_max {
                let text = format!("an object of {} bytes is no file of ours", found.meta.size);
                return Err(Error::NotSupported {
                    source: text.into(),
                });
            }
            absent_is_none(found.bytes().await)
        };
        self.within("read media", CALL_WAIT_MAX, read).await
    }

    /// A piece of a file; empty behind its end.
    pub(super) async fn piece(
        &self,
        scope: &SessionScope,
        media: &MediaId,
        offset: u64,
        len: usize,
    ) -> Result<Option<Bytes>, OpError> {
        let path = self.path(scope, media);
        let end = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(offset..end)));
        let read = async {
            let failed = match self.store.get_opts(&path, options).await {
                Ok(found) => return found.bytes().await.map(Some),
                Err(Error::NotFound { .. }) => return Ok(None),
                Err(error) => error,
            };
            // No range begins behind the end; how a server says so differs.
            let size = self.head(&path).await?.map(|found| found.meta.size);
            match size {
                Some(size) if size <= offset => Ok(Some(Bytes::new())),
                _ => Err(failed),
            }
        };
        self.within("read media", CALL_WAIT_MAX, read).await
    }

    /// Removes a file; whether there was one.
    pub(super) async fn remove(
        &self,
        scope: &SessionScope,
        media: &MediaId,
    ) -> Result<bool, OpError> {
        let path = self.path(scope, media);
        let remove = async {
            // S3 does not say whether there was anything.
            if self.head(&path).await?.is_none() {
                return Ok(false);
            }
            let paths = futures::stream::iter([Ok(path)]).boxed();
            self.delete(paths).await.map(|()| true)
        };
        self.within("remove media", CALL_WAIT_MAX, remove).await
    }

    /// Removes every file of one life of a session.
    pub(super) async fn erase(&self, session: &SessionRef, uuid: &str) -> Result<(), OpError> {
        let listed = self.store.list(Some(&self.folder(session, uuid)));
        let paths = listed.map_ok(|object| object.location).boxed();
        self.within("erase media", ERASE_WAIT_MAX, self.delete(paths))
            .await
    }

    async fn delete(
        &self,
        paths: futures::stream::BoxStream<'static, Result<Path, Error>>,
    ) -> Result<(), Error> {
        let mut gone = self.store.delete_stream(paths);
        while let Some(one) = gone.next().await {
            absent_is_none(one)?;
        }
        Ok(())
    }

    /// Runs a call within its time and names its errors.
    async fn within<T>(
        &self,
        what: &'static str,
        wait: Duration,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, OpError> {
        match tokio::time::timeout(wait, call).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                let words = words(what, &error, &self.access_key);
                if FULL.iter().any(|sign| words.contains(sign)) {
                    let text = "the gateway's media store is full";
                    Err(OpError::new(ErrorCode::StorageFull, text).with_internal(words))
                } else {
                    Err(unreachable(words))
                }
            }
            Err(_) => Err(unreachable(format!("{what}: no end after {wait:?}"))),
        }
    }

    async fn head(&self, path: &Path) -> Result<Option<GetResult>, Error> {
        let options = GetOptions::new().with_head(true);
        absent_is_none(self.store.get_opts(path, options).await)
    }
}

/// The description as sent; a name or type that is too long for it is cut.
fn describe(meta: &StoredMedia) -> Result<String, OpError> {
    let encode = |meta: &StoredMedia| {
        let json = serde_json::to_vec(meta)
            .map_err(|e| OpError::internal(format!("describe media: {e}")))?;
        Ok::<_, OpError>(URL_SAFE_NO_PAD.encode(json))
    };
    let mut text = encode(meta)?;
    if text.len() > DESCRIPTION_BYTES_MAX {
        let mut meta = meta.clone();
        // From its end, where the extension is.
        meta.file_name = meta.file_name.map(|name| {
            let skipped = name.chars().count().saturating_sub(NAME_CUT_CHARS);
            name.chars().skip(skipped).collect()
        });
        text = encode(&meta)?;
        if text.len() > DESCRIPTION_BYTES_MAX {
            "application/octet-stream".clone_into(&mut meta.mime_type);
            text = encode(&meta)?;
        }
    }
    Ok(text)
}

fn absent_is_none<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The words of an error for our own log: without the key's name, which some servers repeat, and no longer than need be.
fn words(what: &str, error: &Error, access_key: &str) -> String {
    let words = error.to_string().replace(access_key, "(key)");
    let words: String = words.chars().take(WORDS_CHARS_MAX).collect();
    format!("{what}: {words}")
}

fn unreachable(words: String) -> OpError {
    let text = "the gateway's media store cannot be used now; try again later";
    OpError::new(ErrorCode::Unavailable, text)
        .with_internal(words)
        .retry_after(RETRY_AFTER)
}
