//! Sound and films: how long, how large, how loud over time.
//!
//! Owns what the media libraries are asked. A file that none of them reads has no answer; whether it may be sent all the
//! same is the caller's business.

use std::io::Cursor;

use bytes::Bytes;
use opus_decoder::OpusDecoder;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

/// Bars of a waveform. Source: `AudioMessage.waveform` of WhatsApp's own clients.
const BARS: usize = 64;
/// The loudest bar. Source: as [`BARS`].
const BAR_MAX: f32 = 100.0;
/// Most packets looked at: five hours of 20 ms, more than a file of the largest size has.
const PACKETS_MAX: usize = 1_000_000;
/// Samples per second that voices are decoded to for their loudness; what is above 4 kHz does not change the bars.
const VOICE_RATE: u32 = 8_000;

/// What sound is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    /// Its length, rounded up: something that can be heard is not zero seconds long.
    pub(super) seconds: u32,
    /// Its loudness in [`BARS`] steps from 0 to 100, where that was asked for.
    pub(super) waveform: Option<Vec<u8>>,
}

/// What a film is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watched {
    /// Its length, rounded up.
    pub(super) seconds: u32,
    /// Width and height in pixels.
    pub(super) size: (u32, u32),
}

/// Listens to a file.
pub(super) fn listen(bytes: &Bytes, with_waveform: bool) -> Option<Heard> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes.clone())), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .ok()?;
    let track = format.default_track(TrackType::Audio)?;
    let (track_id, base) = (track.id, track.time_base?);
    let mut ear = with_waveform
        .then(|| Ear::of(track.codec_params.as_ref()?.audio()?))
        .flatten();
    let mut ticks = 0u64;
    let mut levels = Vec::new();
    for _ in 0..PACKETS_MAX {
        // A damaged end does not take away what was heard before it.
        let Ok(Some(packet)) = format.next_packet() else {
            break;
        };
        if packet.track_id != track_id {
            continue;
        }
        ticks = ticks.saturating_add(packet.dur.get());
        if let Some(ear) = &mut ear {
            levels.push(ear.level(&packet).unwrap_or(0.0));
        }
    }
    let ticks = ticks.saturating_mul(base.numer.get().into());
    let seconds = ticks.div_ceil(u64::from(base.denom.get()));
    if seconds == 0 {
        return None;
    }
    Some(Heard {
        seconds: u32::try_from(seconds).ok()?,
        waveform: ear.map(|_| bars(&levels)),
    })
}

/// Turns packets into loudness.
enum Ear {
    Opus(Box<OpusDecoder>, Vec<f32>),
    Other(Box<dyn AudioDecoder>, Vec<f32>),
}

impl Ear {
    fn of(parameters: &AudioCodecParameters) -> Option<Self> {
        if parameters.codec == CODEC_ID_OPUS {
            let decoder = OpusDecoder::new(VOICE_RATE, 1).ok()?;
            let room = vec![0.0; decoder.max_frame_size_per_channel()];
            return Some(Self::Opus(Box::new(decoder), room));
        }
        let codecs = symphonia::default::get_codecs();
        let decoder = codecs.make_audio_decoder(parameters, &AudioDecoderOptions::default());
        Some(Self::Other(decoder.ok()?, Vec::new()))
    }

    /// The mean level of a packet; nothing for one that cannot be decoded.
    fn level(&mut self, packet: &Packet) -> Option<f32> {
        match self {
            Self::Opus(decoder, room) => {
                let len = decoder.decode_float(&packet.data, room, false).ok()?;
                mean(room.get(..len)?)
            }
            Self::Other(decoder, samples) => {
                samples.clear();
                let decoded = decoder.decode(packet).ok()?;
                decoded.copy_to_vec_interleaved(samples);
                mean(samples)
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a packet has few enough samples for an exact count"
)]
fn mean(samples: &[f32]) -> Option<f32> {
    let sum: f32 = samples.iter().map(|sample| sample.abs()).sum();
    (!samples.is_empty()).then(|| sum / samples.len() as f32)
}

/// Levels as bars, the loudest one at the top.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value lies between 0 and 100"
)]
fn bars(levels: &[f32]) -> Vec<u8> {
    let bar = |at: usize| {
        let from = at * levels.len() / BARS;
        let until = ((at + 1) * levels.len() / BARS).max(from + 1);
        let part = levels.get(from..until.min(levels.len()));
        part.and_then(mean).unwrap_or(0.0)
    };
    let bars: Vec<_> = (0..BARS).map(bar).collect();
    let loudest = bars.iter().copied().fold(0.0, f32::max);
    let scaled = |bar: f32| {
        if loudest > 0.0 {
            (bar / loudest * BAR_MAX).round() as u8
        } else {
            0
        }
    };
    bars.into_iter().map(scaled).collect()
}

/// Looks at an MP4 film.
pub(super) fn watch(bytes: &Bytes) -> Option<Watched> {
    let film = re_mp4::Mp4::read_bytes(bytes).ok()?;
    let mut tracks = film.tracks().values();
    let track = tracks.find(|track| track.kind == Some(re_mp4::TrackKind::Video))?;
    let seconds = track.duration.checked_div(track.timescale)?;
    let rest = u64::from(track.duration % track.timescale > 0);
    Some(Watched {
        seconds: u32::try_from(seconds + rest).ok()?,
        size: (track.width.into(), track.height.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RISING: &[u8] = include_bytes!("../fixtures/rising.ogg");
    const TWO_SECONDS: &[u8] = include_bytes!("../fixtures/two-seconds.mp3");
    const FILM: &[u8] = include_bytes!("../fixtures/film.mp4");

    #[test]
    fn a_voice_that_rises_has_rising_bars() {
        let heard = listen(&Bytes::from_static(RISING), true).unwrap();
        // Two seconds and what the encoder adds.
        assert_eq!(heard.seconds, 3);
        let bars = heard.waveform.unwrap();
        assert_eq!(bars.len(), BARS);
        assert_eq!(bars.iter().max(), Some(&100));
        let half = |range: std::ops::Range<usize>| -> u32 {
            bars[range].iter().map(|bar| u32::from(*bar)).sum()
        };
        assert!(half(0..32) * 2 < half(32..64), "{bars:?}");
    }

    #[test]
    fn other_sound_has_a_length_and_a_waveform_when_asked() {
        let mp3 = Bytes::from_static(TWO_SECONDS);
        let heard = listen(&mp3, false).unwrap();
        assert_eq!((heard.seconds, heard.waveform), (3, None));
        assert_eq!(listen(&mp3, true).unwrap().waveform.unwrap().len(), BARS);
    }

    #[test]
    fn films_have_a_length_and_a_size() {
        let watched = watch(&Bytes::from_static(FILM)).unwrap();
        assert_eq!((watched.seconds, watched.size), (1, (64, 48)));
    }

    #[test]
    fn damage_is_no_answer_and_no_panic() {
        for whole in [RISING, TWO_SECONDS, FILM] {
            for cut in (0..whole.len()).step_by(37) {
                let bytes = Bytes::copy_from_slice(&whole[..cut]);
                drop((listen(&bytes, true), watch(&bytes)));
                let mut flipped = whole.to_vec();
                flipped[cut] ^= 0x55;
                let bytes = Bytes::from(flipped);
                drop((listen(&bytes, true), watch(&bytes)));
            }
        }
        assert_eq!(listen(&Bytes::new(), true), None);
    }
}
