//! Every URL, in one table.

use actix_web::web;

use super::{
    health,
    operation::{Kind, Operation, resource, route},
    page,
};

/// Declares the table: each URL with its methods, their handlers and what is special about them. `GET` answers `HEAD`
/// too. A handler's first argument is its guard, or it does not compile.
macro_rules! routes {
    ($($path:literal { $($method:ident $handler:path $([$kind:ident])?;)+ })+) => {
        /// Every URL with its operations, in the order in which they are matched.
        pub const TABLE: &[(&str, &[Operation])] = &[$(($path, &[$(routes!(@operation $path $method $($kind)?)),+])),+];

        fn register(cfg: &mut web::ServiceConfig) {
            $({
                const OPERATIONS: &[Operation] = &[$(routes!(@operation $path $method $($kind)?)),+];
                cfg.service(resource($path, OPERATIONS)$(.route(route(
                    const { &routes!(@operation $path $method $($kind)?) },
                    $handler,
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
}

/// Registers every URL; what is not in the table is the page's or nobody's.
pub fn configure(cfg: &mut web::ServiceConfig) {
    register(cfg);
    cfg.default_service(web::to(page::serve));
}
