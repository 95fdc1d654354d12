//! Files on their way.

use switchboard_bus::Bus;
use switchboard_keystore::EngineKind;

use super::support::{FILE_BYTES_MAX, Fault, Faulty, Site, bus, fill, session, soon};

async fn sites(bus: &Bus) -> (Site, Site) {
    let one = Site::new("one", bus, EngineKind::Memory).await;
    fill(&one.store, &session("a"), 10, 10).await;
    (one, Site::new("two", bus, EngineKind::Memory).await)
}

#[tokio::test]
async fn a_file_is_copied_once() {
    let bus = bus().await;
    let (counted, counter) = Faulty::over(&bus, usize::MAX, Fault::Cut);
    let one = Site::new("one", &counted, EngineKind::Memory).await;
    let two = Site::new("two", &bus, EngineKind::Memory).await;
    let a = session("a");
    for at in 0..5u8 {
        one.put_file(&a, &format!("m{at}"), &vec![at; 1_000_000])
            .await;
    }
    one.transfer.prepare(&a, &two.id, soon()).await.unwrap();
    assert_eq!(two.files(&a).await, one.files(&a).await);
    // One question, and three pieces of each file.
    assert_eq!(counter.seen(), 1 + 5 * 3);
    one.transfer.prepare(&a, &two.id, soon()).await.unwrap();
    assert_eq!(counter.seen(), 1 + 5 * 3 + 1);
}

#[tokio::test]
async fn a_target_that_forgot_the_beginning_gets_it_again() {
    let (one, two) = sites(&bus().await).await;
    let a = session("a");
    one.put_file(&a, "m", &vec![1; 1_000_000]).await;
    let files = one.files(&a).await;
    let (id, (meta, bytes)) = files.iter().next().unwrap();
    // The end is there already, as if the target had been started in between: nothing is stored before it is whole.
    use crate::ports::MediaPort;
    let end = bytes::Bytes::copy_from_slice(&bytes[999_000..]);
    assert!(!two.media.copy_in(&a, meta, 999_000, end).await.unwrap());
    assert_eq!(two.media.describe(&a, id).await.unwrap(), None);
    one.transfer.prepare(&a, &two.id, soon()).await.unwrap();
    assert_eq!(two.files(&a).await, files);
}

/// The target's limit is lower than a file of the source: the session moves without it.
#[tokio::test]
async fn a_file_that_is_not_taken_does_not_hold_the_session() {
    let (one, two) = sites(&bus().await).await;
    let a = session("a");
    one.put_file(&a, "small", b"small").await;
    let large = usize::try_from(FILE_BYTES_MAX + 1).unwrap();
    one.put_file(&a, "large", &vec![1; large]).await;
    one.transfer.prepare(&a, &two.id, soon()).await.unwrap();
    assert_eq!(two.files(&a).await.len(), 1);
    one.send(&a, (3, 4), &two).await.unwrap();
}

#[tokio::test]
async fn a_stopped_session_waits_for_few_files_only() {
    let (one, two) = sites(&bus().await).await;
    let a = session("a");
    for at in 0..12u8 {
        let bytes = vec![at; usize::try_from(FILE_BYTES_MAX).unwrap()];
        one.put_file(&a, &format!("m{at}"), &bytes).await;
    }
    one.send(&a, (3, 4), &two).await.unwrap();
    assert!(two.files(&a).await.len() <= 8, "more than its limit");
    // What stayed behind follows.
    one.transfer.prepare(&a, &two.id, soon()).await.unwrap();
    assert_eq!(two.files(&a).await, one.files(&a).await);
}
