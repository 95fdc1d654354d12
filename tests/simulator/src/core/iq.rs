//! Requests of logged-in clients, by namespace. What is not simulated is refused with 501.

mod app_state;
mod blocklist;
mod business;
mod communities;
mod documents;
mod encrypt;
mod founding;
mod group_nodes;
mod groups;
mod invitations;
mod md;
mod mex;
mod newsletters;
mod privacy;
mod profile;
mod settings;
mod story_privacy;
mod usync;

use wacore::iq::abprops::{AbProp, web};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{JidExt as _, Node};

use super::ids::{ConnId, DeviceId};
use super::server::{MEDIA_AUTH, Server, iq_error, iq_result};
use super::xml;

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// `<iq type="result">` with these children.
    Result(Vec<Node>),
    /// `<iq type="error">`.
    Error(u16, &'static str),
}

impl Answer {
    /// An empty result.
    pub(crate) const fn done() -> Self {
        Self::Result(Vec::new())
    }

    /// A result with one child.
    pub(crate) fn one(node: Node) -> Self {
        Self::Result(vec![node])
    }

    /// The refusal of what is not simulated.
    pub(crate) const UNKNOWN: Self = Self::Error(501, "feature-not-implemented");
    /// The refusal of a malformed request.
    pub(crate) const BAD: Self = Self::Error(400, "bad-request");
    /// The refusal of a request about something that does not exist.
    pub(crate) const NOT_FOUND: Self = Self::Error(404, "item-not-found");
    /// The refusal of a change to a list that is another by now.
    pub(crate) const CONFLICT: Self = Self::Error(409, "conflict");
    /// The refusal to show what privacy settings hide.
    pub(crate) const HIDDEN: Self = Self::Error(401, "not-authorized");
    /// The refusal of a request by someone who may not ask.
    pub(crate) const FORBIDDEN: Self = Self::Error(403, "forbidden");
}

impl Server {
    /// A logged-in client asks something.
    pub(crate) fn iq(&mut self, conn: ConnId, from: DeviceId, iq: &Node) {
        let kind = xml::attr(iq, "type");
        if !matches!(kind.as_deref(), Some("get" | "set")) {
            // Answers to requests of the server.
            return;
        }
        let setting = kind.as_deref() == Some("set");
        let answer = self.answer(from, iq, setting);
        let reply = match answer {
            Answer::Result(children) => self.stamped(iq_result(iq, children)),
            Answer::Error(code, text) => iq_error(iq, code, text),
        };
        self.emit(conn, &reply);
        self.after(conn, from, iq, setting);
    }

    /// Clients learn the server's clock from the answers to their pings.
    fn stamped(&self, mut reply: Node) -> Node {
        reply.attrs.insert("t", self.now_s());
        reply
    }

    fn answer(&mut self, from: DeviceId, iq: &Node, setting: bool) -> Answer {
        let xmlns = xml::attr(iq, "xmlns");
        match xmlns.as_deref().unwrap_or_default() {
            "passive"
            | "w:p"
            | "urn:xmpp:ping"
            | "urn:xmpp:whatsapp:dirty"
            | "urn:xmpp:whatsapp:push" => Answer::done(),
            "encrypt" => self.iq_encrypt(from, iq, setting),
            "usync" => self.iq_usync(from, iq),
            "md" => self.iq_md(from, iq),
            "w:g2" => self.iq_groups(from, iq, setting),
            "newsletter" => self.iq_newsletter(from, iq, setting),
            "w:mex" => self.iq_mex(from, iq),
            "w:sync:app:state" => self.iq_app_state(from, iq),
            "w:m" => self.iq_media(),
            "abt" => iq_props(iq),
            "blocklist" => self.iq_blocklist(from, iq, setting),
            "privacy" => self.iq_privacy(from, iq, setting),
            "disappearing_mode" => self.iq_disappearing(from, iq, setting),
            "status" => self.iq_status(from, iq, setting),
            "w:profile:picture" => self.iq_picture(from, iq, setting),
            "w:biz" => self.iq_business(from, iq, setting),
            _ => Answer::UNKNOWN,
        }
    }

    /// What has to follow the answer.
    fn after(&mut self, conn: ConnId, from: DeviceId, iq: &Node, setting: bool) {
        let xmlns = xml::attr(iq, "xmlns");
        match xmlns.as_deref() {
            Some("passive") if iq.get_optional_child("active").is_some() => {
                self.activate(conn, from);
            }
            Some("encrypt") if setting => self.keys_arrived(from),
            Some("encrypt") => self.keys_were_taken(iq),
            Some("md") => self.after_md(from, iq),
            _ => {}
        }
    }

    fn iq_media(&self) -> Answer {
        let host = NodeBuilder::new("host")
            .attr("hostname", self.options.media_host.as_str())
            .attr("type", "primary")
            .build();
        Answer::one(
            NodeBuilder::new("media_conn")
                .attr("auth", MEDIA_AUTH)
                .attr("ttl", MEDIA_TTL_S)
                .attr("auth_ttl", MEDIA_TTL_S)
                .attr("max_buckets", 12_u32)
                .children([host])
                .build(),
        )
    }
}

/// How long clients use one answer, in seconds.
const MEDIA_TTL_S: u32 = 3600;
/// The hash of the property set.
const PROPS_HASH: &str = "sim-props-2";
/// What clients are told to do: show their tokens with messages and when they ask for about texts.
const PROPS_ON: [AbProp; 2] = [
    web::PRIVACY_TOKEN_SENDING_ON_ALL_1_ON_1_MESSAGES,
    web::PROFILE_SCRAPING_PRIVACY_TOKEN_IN_ABOUT_USYNC,
];

fn iq_props(iq: &Node) -> Answer {
    let asked = iq.get_optional_child("props");
    if asked.is_none() {
        return Answer::UNKNOWN;
    }
    let switched_on = PROPS_ON.map(|prop| {
        NodeBuilder::new("prop")
            .attr("config_code", prop.code)
            .attr("config_value", "1")
            .build()
    });
    Answer::one(
        NodeBuilder::new("props")
            .attr("protocol", "1")
            .attr("ab_key", "sim")
            .attr("hash", PROPS_HASH)
            .attr("refresh", 86_400_u32)
            .attr("refresh_id", "1")
            .children(switched_on)
            .build(),
    )
}

pub(crate) use encrypt::long;

/// The device that the request is about: its target, or the asker.
pub(crate) fn target_or_self(server: &Server, from: DeviceId, iq: &Node) -> Option<DeviceId> {
    let jid = xml::attr_jid(iq, "target").or_else(|| xml::attr_jid(iq, "to"));
    match jid {
        Some(jid) if !jid.is_group() && !jid.user.is_empty() => server.resolve(&jid),
        _ => Some(from),
    }
}
