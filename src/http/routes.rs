//! Every URL, in one table.

use actix_web::web;
use utoipa::OpenApi;

use super::{
    health, openapi,
    operation::{Kind, Operation, permission, resource, route},
    page,
    problem::Problem,
};
use crate::auth::Permission;

/// Declares the table: each URL with its methods, their handlers and what is special about them. `GET` answers `HEAD`
/// too. A handler's first argument is its guard, or it does not compile.
macro_rules! routes {
    ($($path:literal { $($method:ident $module:ident::$handler:ident $([$kind:ident])?;)+ })+) => {
        /// Every URL with its operations, in the order in which they are matched.
        pub const TABLE: &[(&str, &[Operation])] = &[$(($path, &[$(routes!(@operation $path $method $($kind)?)),+])),+];

        /// What a caller of each operation must be allowed; `None`: nothing.
        #[must_use]
        pub fn permissions() -> Vec<(&'static Operation, Option<Permission>)> {
            vec![$($((
                const { &routes!(@operation $path $method $($kind)?) },
                permission($module::$handler),
            )),+),+]
        }

        /// The operations as their handlers describe them.
        #[must_use]
        pub fn document() -> utoipa::openapi::OpenApi {
            #[derive(OpenApi)]
            #[openapi(paths($($($module::$handler),+),+), components(schemas(Problem)))]
            struct Document;
            Document::openapi()
        }

        fn register(cfg: &mut web::ServiceConfig) {
            $({
                const OPERATIONS: &[Operation] = &[$(routes!(@operation $path $method $($kind)?)),+];
                cfg.service(resource($path, OPERATIONS)$(.route(route(
                    const { &routes!(@operation $path $method $($kind)?) },
                    $module::$handler,
                )))+);
            })+
        }
    };
    (@operation $path:literal $method:ident) => { routes!(@operation $path $method Plain) };
    (@operation $path:literal $method:ident $kind:ident) => {
        Operation { method: stringify!($method), path: $path, kind: Kind::$kind }
    };
}

routes! {
    "/health" { GET health::health; }
    "/version" { GET health::version; }
    "/openapi.json" { GET openapi::openapi_json; }
    "/openapi" { GET openapi::openapi; }
    "/openapi-ui" { GET openapi::swagger_ui; }
    "/openapi-ui/{file}" { GET openapi::swagger_file; }
    "/swagger.html" { GET openapi::swagger_html; }
}

/// Registers every URL; what is not in the table is the page's or nobody's.
pub fn configure(cfg: &mut web::ServiceConfig) {
    register(cfg);
    cfg.default_service(web::to(page::serve));
}
