//! Every URL, in one table.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{health, page, problem::Refusal};

/// Declares the table: each URL with its methods and their handlers. `GET` answers `HEAD` too.
macro_rules! routes {
    ($($path:literal { $($method:ident $handler:path;)+ })+) => {
        /// Every URL with the methods it knows, in the order in which they are matched.
        pub const TABLE: &[(&str, &[&str])] = &[$(($path, &[$(stringify!($method)),+])),+];

        fn register(cfg: &mut web::ServiceConfig) {
            $(cfg.service(
                web::resource($path)
                    $(.route(methods::$method().to($handler)))+
                    .default_service(web::to(move |request: HttpRequest| {
                        no_such_method(request, &[$(stringify!($method)),+])
                    })),
            );)+
        }
    };
}

routes! {
    "/health" { GET health::health; }
    "/version" { GET health::version; }
}

/// Routes of one method, named as the table writes them.
#[allow(non_snake_case, reason = "named as the methods are")]
mod methods {
    use actix_web::{Route, guard, web};

    pub(super) fn GET() -> Route {
        web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
    }
}

/// Registers every URL; what is not in the table is the page's or nobody's.
pub fn configure(cfg: &mut web::ServiceConfig) {
    register(cfg);
    cfg.default_service(web::to(page::serve));
}

/// Answers 405 with what is possible instead.
async fn no_such_method(request: HttpRequest, known: &[&'static str]) -> Result<HttpResponse, Refusal> {
    let head = known.contains(&"GET").then_some("HEAD");
    let allow = known.iter().copied().chain(head).collect();
    Err(Refusal::Method { method: request.method().to_string(), allow })
}
