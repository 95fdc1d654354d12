//! Every case runs in figment's jail: its own folder and environment.

#![expect(
    clippy::result_large_err,
    reason = "figment's jail wants its own error type"
)]

use figment::Jail;

use super::*;

fn flags(listen: Option<&str>) -> Flags {
    Flags {
        listen: listen.map(str::to_owned),
        ..Flags::default()
    }
}

fn error_of(flags: &Flags) -> String {
    load(flags)
        .expect_err("the configuration was accepted")
        .to_string()
}

#[test]
fn nothing_at_all_works() {
    Jail::expect_with(|_| {
        let config = load(&Flags::default()).expect("the defaults");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.cluster.lease, Duration::from_secs(10));
        Ok(())
    });
}

#[test]
fn flags_win_over_environment_over_file() {
    Jail::expect_with(|jail| {
        jail.create_file(
            "switchboard.toml",
            "listen = \"127.0.0.1:1\"\n[cluster]\nlease = \"3s\"\n",
        )?;
        assert_eq!(load(&flags(None)).unwrap().listen.port(), 1);
        jail.set_env("SWITCHBOARD_LISTEN", "127.0.0.1:2");
        assert_eq!(load(&flags(None)).unwrap().listen.port(), 2);
        let config = load(&flags(Some("127.0.0.1:3"))).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.cluster.lease, Duration::from_secs(3));
        Ok(())
    });
}

#[test]
fn lists_take_commas_and_keys_may_look_like_numbers() {
    Jail::expect_with(|jail| {
        jail.set_env("SWITCHBOARD_EGRESS__ALLOW", "10.0.0.0/8, 127.0.0.1/32");
        jail.set_env("SWITCHBOARD_NATS__URL", "nats://a:4222,nats://b:4222");
        jail.set_env("SWITCHBOARD_NODE__ID", "7");
        let config = load(&Flags::default()).unwrap();
        assert_eq!(config.egress.allow.len(), 2);
        assert_eq!(config.nats.url.len(), 2);
        assert_eq!(config.node_id().unwrap().as_str(), "7");
        Ok(())
    });
}

#[test]
fn errors_name_key_and_source() {
    Jail::expect_with(|jail| {
        let error = error_of(&flags(Some("nowhere")));
        assert!(
            error.contains("listen") && error.contains("--listen"),
            "{error}"
        );
        jail.set_env("SWITCHBOARD_CLUSTER__LEASE", "soon");
        let error = error_of(&flags(None));
        assert!(
            error.contains("cluster.lease") && error.contains("environment"),
            "{error}"
        );
        jail.set_env("SWITCHBOARD_CLUSTER__LEASE", "1s");
        assert!(error_of(&flags(None)).contains("2s to 60s"));
        jail.set_env("SWITCHBOARD_CLUSTER__LEASE", "10s");
        jail.create_file("switchboard.toml", "[store]\nengine = \"leveldb\"\n")?;
        let error = error_of(&flags(None));
        assert!(
            error.contains("store.engine") && error.contains("switchboard.toml"),
            "{error}"
        );
        Ok(())
    });
}

#[test]
fn unknown_and_weak_values_are_refused() {
    Jail::expect_with(|jail| {
        jail.create_file("switchboard.toml", "lissten = 1\n")?;
        assert!(error_of(&flags(None)).contains("lissten"));
        jail.create_file("switchboard.toml", "admin_key = \"secret\"\n")?;
        assert!(error_of(&flags(None)).contains("weak"));
        jail.create_file(
            "switchboard.toml",
            &format!("master_key = \"{}\"\n", "00".repeat(32)),
        )?;
        assert!(error_of(&flags(None)).contains("weak"));
        jail.create_file(
            "switchboard.toml",
            "[whatsapp]\nendpoint = \"ws://127.0.0.1:9090/ws/chat\"\n",
        )?;
        assert!(error_of(&flags(None)).contains("belong together"));
        Ok(())
    });
}

#[test]
fn a_node_name_must_fit_a_subject() {
    Jail::expect_with(|jail| {
        let long = "n".repeat(65);
        for name in ["", "node 1", "node.1", "node*", "node>", "n\u{f6}de", &long] {
            jail.set_env("SWITCHBOARD_NODE__ID", format!("{name:?}"));
            let error = error_of(&flags(None));
            assert!(
                error.contains("node.id") && error.contains("64 letters, digits, '-' and '_'"),
                "{name:?}: {error}"
            );
        }
        for name in ["a", "Node-1_b", &"n".repeat(64), &"_".repeat(64)] {
            jail.set_env("SWITCHBOARD_NODE__ID", name);
            let node = load(&flags(None)).unwrap().node_id().unwrap();
            // What is accepted here has a subject of its own, escaped or not.
            let names = switchboard_bus::Names::new("switchboard").unwrap();
            names.node_peer(node.as_str()).unwrap();
            switchboard_bus::Key::node(node.as_str()).unwrap();
        }
        Ok(())
    });
}

#[test]
fn the_cluster_has_defaults_and_bounds() {
    Jail::expect_with(|jail| {
        let config = load(&flags(None)).unwrap();
        assert_eq!(config.settle(), Duration::from_secs(20));
        assert_eq!(config.cluster.drain_wait, Duration::from_secs(60));
        assert_eq!(config.store.durability, None);
        jail.set_env("SWITCHBOARD_CLUSTER__SETTLE", "3s");
        jail.set_env("SWITCHBOARD_STORE__DURABILITY", "replicated");
        let config = load(&flags(None)).unwrap();
        assert_eq!(config.settle(), Duration::from_secs(3));
        assert_eq!(config.store.durability, Some(Durability::Replicated));
        let broken = [
            ("SWITCHBOARD_CLUSTER__LEASE", "61s", "cluster.lease"),
            (
                "SWITCHBOARD_CLUSTER__DRAIN_WAIT",
                "2h",
                "cluster.drain_wait",
            ),
            ("SWITCHBOARD_CLUSTER__SETTLE", "2h", "cluster.settle"),
            (
                "SWITCHBOARD_CLUSTER__MOVES_PER_SECOND",
                "0",
                "cluster.moves_per_second",
            ),
            (
                "SWITCHBOARD_CLUSTER__MOVES_AT_ONCE",
                "1000",
                "cluster.moves_at_once",
            ),
            ("SWITCHBOARD_NODE__WEIGHT", "4000000000", "node.weight"),
            (
                "SWITCHBOARD_NODE__METRICS_LISTEN",
                "here",
                "node.metrics_listen",
            ),
            ("SWITCHBOARD_STORE__DURABILITY", "both", "store.durability"),
            ("SWITCHBOARD_STORE__LOG_BYTES", "1", "store.log_bytes"),
            (
                "SWITCHBOARD_STORE__SNAPSHOT_BYTES",
                "0",
                "store.snapshot_bytes",
            ),
            // Membership is what the nodes say of themselves; a list is a mistake that must be seen.
            ("SWITCHBOARD_CLUSTER__NODES", "a,b", "nodes"),
        ];
        for (variable, value, key) in broken {
            jail.set_env(variable, value);
            let error = error_of(&flags(None));
            assert!(error.contains(key), "{variable}={value}: {error}");
            jail.clear_env();
        }
        Ok(())
    });
}

#[test]
fn when_a_disk_counts_as_full_has_defaults_and_bounds() {
    Jail::expect_with(|jail| {
        let config = load(&flags(None)).unwrap();
        assert_eq!(config.watermarks(), Watermarks::default());
        jail.set_env("SWITCHBOARD_STORE__NEW_SESSIONS_FREE_PERCENT", "0");
        jail.set_env("SWITCHBOARD_STORE__SENDS_FREE_PERCENT", "0");
        jail.set_env("SWITCHBOARD_STORE__SENDS_FREE_BYTES", "33554432");
        let watermarks = load(&flags(None)).unwrap().watermarks();
        let shares = (watermarks.new_sessions_percent, watermarks.sends_percent);
        assert_eq!((shares, watermarks.sends_bytes), ((0, 0), 32 << 20));
        jail.clear_env();
        for (name, value) in [
            ("new_sessions_free_percent", "51"),
            // Above the one for new sessions.
            ("sends_free_percent", "11"),
            ("sends_free_bytes", "1000"),
        ] {
            let variable = format!("SWITCHBOARD_STORE__{}", name.to_uppercase());
            jail.set_env(&variable, value);
            let error = error_of(&flags(None));
            let key = format!("store.{name}");
            assert!(error.contains(&key), "{variable}={value}: {error}");
            jail.clear_env();
        }
        Ok(())
    });
}

#[test]
fn a_bucket_is_whole_or_refused_by_its_key() {
    Jail::expect_with(|jail| {
        let config = load(&Flags::default()).unwrap();
        assert!(config.media.bucket().unwrap().is_none(), "the default");
        jail.set_env("SWITCHBOARD_MEDIA__STORE", "s3");
        let whole = [
            ("BUCKET", "files", "media.s3.bucket"),
            ("ACCESS_KEY", "12345678", "media.s3.access_key"),
            ("SECRET_KEY", "a secret of the tests", "media.s3.secret_key"),
        ];
        for (name, value, key) in whole {
            let error = error_of(&flags(None));
            assert!(error.contains(key) && error.contains("required"), "{error}");
            jail.set_env(format!("SWITCHBOARD_MEDIA__S3__{name}"), value);
        }
        let config = load(&flags(None)).unwrap();
        let bucket = config.media.bucket().unwrap().unwrap();
        assert_eq!((&*bucket.bucket, &*bucket.region), ("files", "us-east-1"));
        assert_eq!(
            bucket.access_key, "12345678",
            "a key may look like a number"
        );
        for shown in [format!("{config:?}"), format!("{bucket:?}")] {
            assert!(!shown.contains("a secret of the tests"), "{shown}");
        }
        for (name, value, key) in [
            ("ENDPOINT", "http://minio:9000", "allow_http"),
            ("ENDPOINT", "minio:9000", "media.s3.endpoint"),
            ("ENDPOINT", "https://me:secret@minio", "media.s3.access_key"),
            ("BUCKET", "a/b", "media.s3.bucket"),
            ("PREFIX", "a//b", "media.s3.prefix"),
            ("PREFIX", "../b", "media.s3.prefix"),
        ] {
            let name = format!("SWITCHBOARD_MEDIA__S3__{name}");
            jail.set_env(&name, value);
            let error = error_of(&flags(None));
            assert!(error.contains(key), "{error}");
            let right = match key {
                "media.s3.bucket" => "files",
                "media.s3.prefix" => "media",
                _ => "https://minio:9000",
            };
            jail.set_env(&name, right);
        }
        jail.set_env("SWITCHBOARD_MEDIA__S3__ENDPOINT", "http://minio:9000");
        jail.set_env("SWITCHBOARD_MEDIA__S3__ALLOW_HTTP", "true");
        assert!(load(&flags(None)).is_ok());
        jail.set_env("SWITCHBOARD_MEDIA__STORE", "local");
        let error = error_of(&flags(None));
        assert!(error.contains("media.store"), "{error}");
        Ok(())
    });
}
