//! The business profile, products, collections and orders.

use http::Method;
use switchboard_dialect_kit::{Refusal, Routes};

/// The rows of this area.
pub(crate) fn routes(routes: Routes) -> Routes {
    let later = Refusal::LaterRelease;
    routes
        .refused(Method::GET, "/business", later)
        .refused(Method::POST, "/business", later)
        .refused(Method::GET, "/business/products", later)
        .refused(Method::POST, "/business/products", later)
        .refused(Method::GET, "/business/{ContactID}/products", later)
        .refused(Method::GET, "/business/products/{ProductID}", later)
        .refused(Method::POST, "/business/products/{ProductID}", later)
        .refused(Method::PATCH, "/business/products/{ProductID}", later)
        .refused(Method::DELETE, "/business/products/{ProductID}", later)
        .refused(Method::GET, "/business/orders/{OrderID}", later)
        .refused(Method::POST, "/business/catalogs/{ContactID}", later)
        .refused(Method::POST, "/business/collections", later)
        .refused(Method::GET, "/business/collections", later)
        .refused(Method::GET, "/business/collections/products", later)
        .refused(Method::GET, "/business/collections/{CollectionID}", later)
        .refused(Method::PATCH, "/business/collections/{CollectionID}", later)
        .refused(
            Method::DELETE,
            "/business/collections/{CollectionID}",
            later,
        )
        .refused(
            Method::GET,
            "/business/collections/{CollectionID}/products",
            later,
        )
}
