//! Prints spoilt requests to all five systems, a JSON object per line, for a gateway to answer: `hostile_requests EACH SEED`.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use switchboard_conformance::dialects;
use switchboard_dialect_kit::testing::hostile;

/// The good requests, in the order of the dialects.
const GOOD: [&str; 5] = [
    include_str!("../../../shared/dialects/whapi/src/requests.txt"),
    include_str!("../../../shared/dialects/wapi/src/requests.txt"),
    include_str!("../../../shared/dialects/chatapi/src/requests.txt"),
    include_str!("../../../shared/dialects/wuzapi/src/requests.txt"),
    include_str!("../../../shared/dialects/wwebjs/src/requests.txt"),
];

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let mut number = |what: &'static str| words.next().context(what)?.parse().context(what);
    let (each, seed) = (number("how many of each")?, number("a seed")?);
    for (dialect, good) in dialects().iter().zip(GOOD) {
        for wire in hostile::chosen(dialect, good, usize::try_from(each)?, seed) {
            let line = json!({
                "dialect": dialect.name.to_string(),
                "method": wire.method.as_str(),
                "target": wire.target,
                "type": wire.content_type,
                "body": STANDARD.encode(&wire.body),
            });
            println!("{line}");
        }
    }
    Ok(())
}
