//! `md`: companions leave.

use wacore_binary::Node;

use super::Answer;
use crate::core::ids::{DeviceId, PHONE};
use crate::core::server::Server;
use crate::core::xml;

impl Server {
    pub(super) fn iq_md(&self, from: DeviceId, iq: &Node) -> Answer {
        match removed(self, from, iq) {
            None => Answer::UNKNOWN,
            Some(Err(())) => Answer::FORBIDDEN,
            Some(Ok(id)) if id.device == PHONE || !self.has_device(id) => Answer::NOT_FOUND,
            Some(Ok(_)) => Answer::done(),
        }
    }

    /// The removal comes after its answer, so that the client sees the answer.
    pub(super) fn after_md(&mut self, from: DeviceId, iq: &Node) {
        if let Some(Ok(id)) = removed(self, from, iq)
            && id.device != PHONE
        {
            self.remove_device(id);
        }
    }
}

/// The device that the request removes: of the own account only.
fn removed(server: &Server, from: DeviceId, iq: &Node) -> Option<Result<DeviceId, ()>> {
    let request = iq.get_optional_child("remove-companion-device")?;
    let target = match xml::attr_jid(request, "jid") {
        Some(jid) => server.resolve(&jid),
        None => Some(from),
    };
    Some(target.filter(|t| t.account == from.account).ok_or(()))
}
