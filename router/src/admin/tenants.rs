//! Tenants: listing, creating, giving a fresh key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use switchboard_vocab::directory::TenantRecord;
use switchboard_vocab::{ErrorCode, TenantId, Timestamp};

use super::fields::{Fields, Id, Query};
use crate::app::App;
use crate::directory::Issued;
use crate::problem::Problem;

/// Tenants per page when nobody asks for a number.
const LIMIT_DEFAULT: usize = 100;
/// Most tenants per page.
const LIMIT_MAX: usize = 500;

#[derive(Debug, Serialize)]
pub(super) struct Created {
    id: TenantId,
    key: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Tenant {
    id: TenantId,
    created_at: Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct Tenants {
    tenants: Vec<Tenant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<TenantId>,
}

impl From<Issued<TenantRecord>> for Created {
    fn from(issued: Issued<TenantRecord>) -> Self {
        Self {
            id: issued.record.id,
            key: issued.secret,
        }
    }
}

/// `GET /admin/v1/tenants?after=&limit=`: the tenants that have a key.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    query: Query,
) -> Result<Json<Tenants>, Problem> {
    let after = query.parse("after")?;
    let limit = query
        .parse("limit")?
        .unwrap_or(LIMIT_DEFAULT)
        .clamp(1, LIMIT_MAX);
    let page = app.directory.tenants(after.as_ref(), limit);
    let next = page
        .last()
        .filter(|_| page.len() == limit)
        .map(|last| last.id.clone());
    let tenants = page
        .iter()
        .map(|record| Tenant {
            id: record.id.clone(),
            created_at: record.created_at,
        })
        .collect();
    Ok(Json(Tenants { tenants, next }))
}

/// `POST /admin/v1/tenants {"id"}`: creates a tenant; for the default tenant, gives it its first key.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Created>), Problem> {
    let id: TenantId = fields.need("id")?;
    fields.done()?;
    let issued = app.directory.create_tenant(id).await?;
    Ok((StatusCode::CREATED, Json(issued.into())))
}

/// `POST /admin/v1/tenants/{id}/key`: gives a tenant a fresh key; the old one stops working.
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    Id(id): Id,
) -> Result<Json<Created>, Problem> {
    let id = TenantId::parse(&id).map_err(|e| Problem::field("id", e.to_string()))?;
    let issued = match app.directory.rotate_key(&id).await {
        // The default tenant exists from the beginning, only its key does not.
        Err(error) if error.code == ErrorCode::NotFound && id == TenantId::default_tenant() => {
            app.directory.create_tenant(id).await?
        }
        issued => issued?,
    };
    Ok(Json(issued.into()))
}
