//! Places, still and moving.

use serde::Serialize;
use switchboard_vocab::content as vocab;

/// `MessageContentLocation`.
#[derive(Serialize)]
pub(super) struct Place {
    latitude: f64,
    longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<u32>,
    /// Whole metres per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    degrees: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

impl Place {
    pub(super) fn of(location: &vocab::Location) -> Self {
        Self {
            latitude: location.latitude,
            longitude: location.longitude,
            name: location.name.clone(),
            address: location.address.clone(),
            url: location.url.clone(),
            accuracy: location.accuracy,
            speed: location.speed.map(whole),
            degrees: location.heading,
            comment: location.comment.clone(),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded on purpose, and the cast saturates"
)]
fn whole(speed: f32) -> i32 {
    speed.round() as i32
}

/// `MessageContentLiveLocation`.
#[derive(Serialize)]
pub(super) struct LivePlace {
    latitude: f64,
    longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<u32>,
    /// Whole metres per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    degrees: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_offset: Option<u32>,
}

impl LivePlace {
    pub(super) fn of(location: &vocab::LiveLocation) -> Self {
        Self {
            latitude: location.latitude,
            longitude: location.longitude,
            accuracy: location.accuracy,
            speed: location.speed.map(whole),
            degrees: location.heading,
            caption: location.caption.clone(),
            sequence_number: location.sequence,
            time_offset: location.time_offset,
        }
    }
}
