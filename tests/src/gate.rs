//! The HTTP client that a function has in the world: it asks the function's role first, and a call that is denied is
//! answered as the service would, and never reaches it.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::json;

use crate::functions::Function;
use crate::needs::{self, Deletion};
use crate::roles::{Denial, Rights};

/// A function's way to the services behind it.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) function: Function,
    pub(crate) rights: Rights,
    pub(crate) behind: SharedHttpClient,
}

#[derive(Debug)]
struct Connector {
    function: Function,
    rights: Rights,
    behind: SharedHttpConnector,
}

impl HttpClient for Gate {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let behind = self.behind.http_connector(settings, components);
        SharedHttpConnector::new(Connector { function: self.function, rights: self.rights.clone(), behind })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.rights.ask(self.function, &needs::of(&request)) {
            Ok(()) => self.behind.call(request),
            Err(denial) => HttpConnectorFuture::ready(Ok(refusal(&request, &denial))),
        }
    }
}

/// How a service says that a call is not allowed.
fn refusal(request: &HttpRequest, denial: &Denial) -> HttpResponse {
    let json = json!({"__type": "com.amazon.coral.service#AccessDeniedException", "message": denial.to_string()});
    match needs::operation(request).0 {
        "sns" => {
            let error = format!("<Type>Sender</Type><Code>AuthorizationError</Code><Message>{denial}</Message>");
            response(403, format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>"))
        }
        "s3" => {
            // Objects to delete are allowed or denied one by one, and the call as a whole succeeds.
            let refused: Vec<String> = needs::deletions(request)
                .map(|Deletion { key, version }| {
                    let version = version.map(|version| format!("<VersionId>{version}</VersionId>"));
                    let version = version.unwrap_or_default();
                    format!("<Error><Key>{key}</Key>{version}<Code>AccessDenied</Code></Error>")
                })
                .collect();
            match (request.method(), refused.is_empty()) {
                (_, false) => response(200, format!("<DeleteResult>{}</DeleteResult>", refused.concat())),
                ("HEAD", true) => response(403, String::new()),
                (_, true) => {
                    response(403, format!("<Error><Code>AccessDenied</Code><Message>{denial}</Message></Error>"))
                }
            }
        }
        "ses" => {
            let mut response = response(403, json.to_string());
            response.headers_mut().insert("x-amzn-errortype", "AccessDeniedException");
            response
        }
        _ => response(400, json.to_string()),
    }
}

pub(crate) fn response(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}
