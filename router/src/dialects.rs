//! The dialects this product speaks, in the order of the documentation. Nothing else here knows them by name.

use switchboard_dialect_kit::Dialect;

/// Every dialect.
#[must_use]
pub fn dialects() -> Vec<Dialect> {
    vec![
        switchboard_dialect_whapi::dialect(),
        switchboard_dialect_wapi::dialect(),
        switchboard_dialect_chatapi::dialect(),
        switchboard_dialect_wuzapi::dialect(),
        switchboard_dialect_wwebjs::dialect(),
    ]
}
