//! Who a session is, from the library's device row.

use switchboard_vocab::UserId;
use switchboard_vocab::sessions::Identity;
use wacore::store::Device;
use wacore::types::events::PairSuccess;
use wacore_binary::Jid;

use crate::addresses;

fn identity(
    phone: &Jid,
    lid: Option<&Jid>,
    name: &str,
    platform: Option<String>,
) -> Option<Identity> {
    if addresses::is_placeholder(phone) {
        return None;
    }
    Some(Identity {
        phone: addresses::user(phone)?,
        lid: lid
            .and_then(addresses::user)
            .filter(|lid| matches!(lid, UserId::Lid(_))),
        device: phone.device,
        push_name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        platform: platform.filter(|platform| !platform.is_empty()),
    })
}

/// The identity of a stored login; nothing without one.
pub(crate) fn of_device(device: &Device, platform: Option<String>) -> Option<Identity> {
    identity(
        device.pn.as_ref()?,
        device.lid.as_ref(),
        &device.push_name,
        platform,
    )
}

/// The identity that a pairing brought.
pub(crate) fn of_pairing(paired: &PairSuccess, name: &str) -> Option<Identity> {
    identity(
        &paired.id,
        Some(&paired.lid),
        name,
        Some(paired.platform.clone()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_placeholder_is_nobody() {
        let mut device = Device::new();
        assert_eq!(of_device(&device, None), None);
        device.pn = Some(addresses::placeholder());
        assert_eq!(of_device(&device, None), None);
        device.pn = Some("15550001:4@s.whatsapp.net".parse().unwrap());
        device.lid = Some("77:4@lid".parse().unwrap());
        device.push_name = "Anna".to_owned();
        let who = of_device(&device, Some("android".to_owned())).unwrap();
        assert_eq!((who.phone.as_phone(), who.device), (Some("15550001"), 4));
        assert_eq!(who.lid, UserId::lid("77").ok());
        assert_eq!(
            (who.push_name.as_deref(), who.platform.as_deref()),
            (Some("Anna"), Some("android"))
        );
    }
}
