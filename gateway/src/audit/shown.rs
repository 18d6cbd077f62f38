//! What patients see of an AuditEvent about themselves: who, when, what, why; no token, grant or address of anybody, and
//! none of the facts that may tell of others.

use model::json::Json;

/// Takes out of an event what is not for the patient it is about.
pub fn for_patient(event: &mut Json) {
    let Some(object) = event.as_object_mut() else { return };
    for agent in object.get_mut("agent").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(agent) = agent.as_object_mut() {
            for name in ["altId", "policy", "network"] {
                agent.remove(name);
            }
        }
    }
    if let Some(entities) = object.get_mut("entity").and_then(Json::as_array_mut) {
        // Tokens and requests are other people's; a query's digest could be tried out.
        entities.retain(|entity| {
            let kind = entity.text_at(&["type", "code"]).unwrap_or_default();
            !matches!(kind, "UserOauthAgent" | "XrequestId") && entity.get("query").is_none()
        });
        for entity in entities.iter_mut().filter_map(Json::as_object_mut) {
            entity.remove("detail");
        }
        // What is left of an entity of facts alone is its name.
        entities.retain(|entity| entity.get("what").is_some());
        if entities.is_empty() {
            object.remove("entity");
        }
    }
}
