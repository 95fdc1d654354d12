//! Parts of the phone's history: which one, and how much of the whole there is. What is in it, the session's own calls tell.

use serde::Serialize;
use switchboard_vocab::events::sessions::HistoryPart;

use super::Data;

/// `events.HistorySync` of that system's client library.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HistorySync {
    data: Part,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<u32>,
}

/// The data of a part of the history.
pub(super) fn data(part: &HistoryPart) -> Option<String> {
    let data = Part {
        sync_type: sync_type(&part.part),
        progress: part.progress,
    };
    Data::text("HistorySync", None, HistorySync { data })
}

/// Source: `HistorySync.HistorySyncType` of WhatsApp's protobuf, which Go writes as a number.
fn sync_type(name: &str) -> Option<u8> {
    Some(match name {
        "INITIAL_BOOTSTRAP" => 0,
        "INITIAL_STATUS_V3" => 1,
        "FULL" => 2,
        "RECENT" => 3,
        "PUSH_NAME" => 4,
        "NON_BLOCKING_DATA" => 5,
        "ON_DEMAND" => 6,
        _ => return None,
    })
}
