//! The app's own sign-in: a user pool in the emulator, whose users' names are the app's user ids.

use serde_json::json;

use super::{Cloud, DriveError, Endpoints};

const SERVICE: &str = "cognito-idp";

/// Makes a user who can sign in, or gives one that is there this password.
pub async fn create_user(endpoints: &Endpoints, user_id: &str, password: &str) -> Result<(), DriveError> {
    let cloud = Cloud::new(endpoints)?;
    let pool = &endpoints.oidc.user_pool_id;
    let create = json!({"UserPoolId": pool, "Username": user_id, "MessageAction": "SUPPRESS"});
    match cloud.json(SERVICE, "AWSCognitoIdentityProviderService.AdminCreateUser", &create).await {
        Err(DriveError::Refused { problem, .. }) if problem.contains("UsernameExistsException") => {}
        other => drop(other?),
    }
    let set = json!({"UserPoolId": pool, "Username": user_id, "Password": password, "Permanent": true});
    cloud.json(SERVICE, "AWSCognitoIdentityProviderService.AdminSetUserPassword", &set).await.map(drop)
}

/// Makes a user who can sign in an operator too.
pub async fn create_operator(endpoints: &Endpoints, user_id: &str, password: &str) -> Result<(), DriveError> {
    const TARGET: &str = "AWSCognitoIdentityProviderService.AdminAddUserToGroup";
    create_user(endpoints, user_id, password).await?;
    let (pool, group) = (&endpoints.oidc.user_pool_id, &endpoints.oidc.operators);
    let body = json!({"UserPoolId": pool, "Username": user_id, "GroupName": group});
    Cloud::new(endpoints)?.json(SERVICE, TARGET, &body).await.map(drop)
}

/// Signs in afresh and gives the id token.
pub async fn sign_in(endpoints: &Endpoints, user_id: &str, password: &str) -> Result<String, DriveError> {
    const TARGET: &str = "AWSCognitoIdentityProviderService.InitiateAuth";
    let body = json!({
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": endpoints.oidc.client_id,
        "AuthParameters": {"USERNAME": user_id, "PASSWORD": password},
    });
    let answer = Cloud::new(endpoints)?.json(SERVICE, TARGET, &body).await?;
    let token = answer["AuthenticationResult"]["IdToken"].as_str();
    token.map(ToOwned::to_owned).ok_or(DriveError::Incomplete { action: TARGET.to_owned(), missing: "an id token" })
}
