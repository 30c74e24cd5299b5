//! A sign-in issuer on loopback: one key, one page.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A key that was made for these tests and signs nothing else.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgE+KHFPzHmoVR/Iwk
qV9w5zpbTLCLg4eAUw7xZmHWcQehRANCAAQe8qzVVkr3KPzMivLAkvStzHOuktRJ
7vzKSKqQQQqWHJKZ00rv1bNYePlaDicHiW2u8c6vDsjyKV9rffbvoi0a
-----END PRIVATE KEY-----
";

/// The issuer.
pub struct SignIns {
    pub keys_url: String,
}

impl SignIns {
    pub const ISSUER: &str = "https://sign-in.example";
    pub const AUDIENCE: &str = "the-app";

    /// Serves its keys until the test ends.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let keys_url = format!("http://{}/keys", listener.local_addr().unwrap());
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "use": "sig",
            "x": "HvKs1VZK9yj8zIrywJL0rcxzrpLUSe78ykiqkEEKlhw",
            "y": "kpnTSu_Vs1h4-VoOJweJba7xzq8OyPIpX2t99u-iLRo"}]})
        .to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 2048];
                let _ = stream.read(&mut request).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    keys.len()
                );
                let _ = stream.write_all(format!("{head}{keys}").as_bytes()).await;
            }
        });
        Self { keys_url }
    }

    /// A token for a user who signed in at that moment.
    pub fn token(user_id: &str, at: Timestamp) -> String {
        Self::token_with(&json!({
            "iss": Self::ISSUER, "aud": Self::AUDIENCE, "sub": user_id,
            "auth_time": at.as_second(), "iat": at.as_second(), "exp": at.as_second() + 3600,
        }))
    }

    /// A token that says this.
    pub fn token_with(claims: &serde_json::Value) -> String {
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_pem(KEY.as_bytes()).unwrap()).unwrap()
    }
}
