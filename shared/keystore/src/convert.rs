//! From one store into another, when the engine or the directory changes.
//!
//! Owns the order: a namespace is live in the target only after all of it was verified there. Must
//! not remove anything from the source.

use crate::error::Error;
use crate::namespace::Namespace;
use crate::seal::{KEY_BYTES, TransferKey};
use crate::store::{KeyStore, Remains};

/// Copies every namespace and tombstone; gives how many namespaces. Neither store may be in use
/// otherwise. After an error it can be called again: what is there already is copied anew.
///
/// # Errors
/// Those of export and import; [`Error::StaleEpoch`] when the target knows a higher epoch, so that
/// an old store never overwrites a newer one.
pub async fn convert(from: &dyn KeyStore, to: &dyn KeyStore) -> Result<usize, Error> {
    let transfer = TransferKey::new(rand::random::<[u8; KEY_BYTES]>());
    for (ns, epoch) in from.tombstones().await? {
        if to.epoch(&ns).await?.is_none_or(|known| known <= epoch) {
            to.drop_namespace(&ns, Remains::Tombstone(epoch)).await?;
        }
    }
    let namespaces = from.namespaces().await?;
    for ns in &namespaces {
        copy(from, to, ns, &transfer).await?;
    }
    Ok(namespaces.len())
}

async fn copy(
    from: &dyn KeyStore,
    to: &dyn KeyStore,
    ns: &Namespace,
    transfer: &TransferKey,
) -> Result<(), Error> {
    let epoch = from.epoch(ns).await?.unwrap_or_default();
    let mut export = from.export(ns, transfer).await?;
    let mut import = to.import(ns, epoch, transfer).await?;
    while let Some(frame) = export.next().await? {
        import.write(&frame).await?;
    }
    let received = import.finish().await?;
    if export.report() != Some(received) {
        let what = "both ends report different content".to_owned();
        return Err(Error::BadImport {
            namespace: ns.to_string(),
            what,
        });
    }
    to.promote(ns).await.map(|_durable| ())
}
