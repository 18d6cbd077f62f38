//! The CapabilityStatement, made of what the router really serves. FHIR R4 capabilitystatement.html.

use fhir_sdk::r4b::codes::{
    CapabilityStatementKind, ConditionalDeleteStatus, ConditionalReadStatus, FHIRVersion, PublicationStatus,
    ResourceVersionPolicy, RestfulCapabilityMode, SearchParamType,
};
use fhir_sdk::r4b::resources as r4b;
use model::json::Json;
use model::time::Instant;

use crate::Error;
use crate::element::{Code, concept, date_time};
use crate::tree::Tree;

/// What a server says about itself.
#[derive(Clone, Debug)]
pub struct CapabilityStatement<'a> {
    /// The id of the resource.
    pub id: &'a str,
    /// When the statement last changed (start of the server).
    pub date: Instant,
    /// Name of the software.
    pub software: &'a str,
    /// Version of the software.
    pub version: &'a str,
    /// What this installation is, in words.
    pub description: &'a str,
    /// The base URL.
    pub url: Option<&'a str>,
    /// MIME types and short names that are understood (`json`, `application/fhir+json`).
    pub formats: &'a [&'a str],
    /// Formats of patches.
    pub patch_formats: &'a [&'a str],
    /// How access is controlled, in words; also said when it is off.
    pub security: &'a str,
    /// Codes of FHIR R4 codesystem-restful-security-service.html (`SMART-on-FHIR`).
    pub security_services: &'a [&'a str],
    /// The types, in the order to be shown.
    pub types: &'a [ServedType<'a>],
    /// Interactions with the whole system (`transaction`, `batch`, `search-system`).
    pub system_interactions: &'a [&'a str],
    /// Operations of the whole system.
    pub operations: &'a [Operation<'a>],
    /// What the other members have no place for, in words.
    pub documentation: &'a str,
}

/// What is served for one type.
#[derive(Clone, Debug)]
pub struct ServedType<'a> {
    /// The type.
    pub name: &'a str,
    /// Canonicals of the profiles of this type that are known.
    pub profiles: &'a [&'a str],
    /// Interaction codes (`read`, `vread`, `search-type` …).
    pub interactions: &'a [&'a str],
    /// Search parameters.
    pub search: &'a [SearchParameter<'a>],
    /// Operations of the type.
    pub operations: &'a [Operation<'a>],
    /// What `_include` may be, as `Type:parameter`.
    pub includes: &'a [String],
    /// What `_revinclude` may be.
    pub reverse_includes: &'a [String],
    /// Whether an update must name the version that it replaces.
    pub versioned_update: bool,
    /// Whether PUT may create.
    pub update_create: bool,
    /// Whether `If-None-Exist` is understood.
    pub conditional_create: bool,
    /// Whether a read may be answered with 304, by `If-None-Match` and by `If-Modified-Since`.
    pub conditional_read: bool,
    /// Whether PUT may name a resource by a condition.
    pub conditional_update: bool,
    /// Whether DELETE may name one resource by a condition.
    pub conditional_delete: bool,
}

/// One search parameter.
#[derive(Clone, Copy, Debug)]
pub struct SearchParameter<'a> {
    /// Its name in a query.
    pub name: &'a str,
    /// Its type (`token`, `reference`, `date` …).
    pub kind: &'a str,
    /// The URL of its definition.
    pub definition: Option<&'a str>,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// Its name without `$`.
    pub name: &'a str,
    /// The URL of its definition.
    pub definition: &'a str,
}

/// Builds a CapabilityStatement for FHIR 4.0.1.
///
/// # Errors
/// [`Error`] if a required element is missing.
pub fn capability_statement(statement: &CapabilityStatement<'_>) -> Result<Json, Error> {
    let software = r4b::CapabilityStatementSoftware::builder()
        .name(statement.software.to_owned())
        .version(statement.version.to_owned())
        .build()?;
    let mut implementation =
        r4b::CapabilityStatementImplementation::builder().description(statement.description.to_owned());
    if let Some(url) = statement.url {
        implementation = implementation.url(url.to_owned());
    }
    let built = r4b::CapabilityStatement::builder()
        .status(PublicationStatus::Active)
        .date(date_time(statement.date)?)
        .kind(CapabilityStatementKind::Instance)
        .software(software)
        .implementation(implementation.build()?)
        .fhir_version(FHIRVersion::N401)
        .format(texts(statement.formats))
        .patch_format(texts(statement.patch_formats))
        .rest(vec![Some(rest(statement)?)])
        .build()?;
    Ok(Tree::new("CapabilityStatement", statement.id)
        .one("status", &built.status)?
        .plain("date", statement.date.to_rfc3339())
        .one("kind", &built.kind)?
        .optional("software", built.software.as_ref())?
        .optional("implementation", built.implementation.as_ref())?
        .one("fhirVersion", &built.fhir_version)?
        .list("format", &built.format)?
        .list("patchFormat", &built.patch_format)?
        .list("rest", &built.rest)?
        .into_json())
}

/// FHIR R4 codesystem-restful-security-service.html.
const SECURITY_SERVICE: &str = "http://terminology.hl7.org/CodeSystem/restful-security-service";

fn rest(statement: &CapabilityStatement<'_>) -> Result<r4b::CapabilityStatementRest, Error> {
    let services = statement
        .security_services
        .iter()
        .map(|code| concept(&Code { system: SECURITY_SERVICE, code, display: None }).map(Some));
    let security = r4b::CapabilityStatementRestSecurity::builder()
        .service(services.collect::<Result<_, _>>()?)
        .description(statement.security.to_owned())
        .build()?;
    let system = statement.system_interactions.iter().map(|code| {
        let built = r4b::CapabilityStatementRestInteraction::builder().code((*code).to_owned()).build()?;
        Ok::<_, Error>(Some(built))
    });
    Ok(r4b::CapabilityStatementRest::builder()
        .mode(RestfulCapabilityMode::Server)
        .documentation(statement.documentation.to_owned())
        .security(security)
        .resource(statement.types.iter().map(|each| resource(each).map(Some)).collect::<Result<_, _>>()?)
        .interaction(system.collect::<Result<_, _>>()?)
        .operation(operations(statement.operations)?)
        .build()?)
}

fn resource(served: &ServedType<'_>) -> Result<r4b::CapabilityStatementRestResource, Error> {
    let interactions = served.interactions.iter().map(|code| {
        let built = r4b::CapabilityStatementRestResourceInteraction::builder().code((*code).to_owned()).build()?;
        Ok::<_, Error>(Some(built))
    });
    let parameters = served.search.iter().map(|parameter| {
        let mut builder = r4b::CapabilityStatementRestResourceSearchParam::builder()
            .name(parameter.name.to_owned())
            .r#type(parameter.kind.parse::<SearchParamType>().map_err(|_| Error::UnknownCode)?);
        if let Some(definition) = parameter.definition {
            builder = builder.definition(definition.to_owned());
        }
        Ok::<_, Error>(Some(builder.build()?))
    });
    Ok(r4b::CapabilityStatementRestResource::builder()
        .r#type(served.name.parse().map_err(|_| Error::UnknownCode)?)
        .supported_profile(texts(served.profiles))
        .interaction(interactions.collect::<Result<_, _>>()?)
        .versioning(match served.versioned_update {
            true => ResourceVersionPolicy::VersionedUpdate,
            false => ResourceVersionPolicy::Versioned,
        })
        .read_history(served.interactions.contains(&"vread"))
        .update_create(served.update_create)
        .conditional_create(served.conditional_create)
        .conditional_read(match served.conditional_read {
            true => ConditionalReadStatus::FullSupport,
            false => ConditionalReadStatus::NotSupported,
        })
        .conditional_update(served.conditional_update)
        .conditional_delete(match served.conditional_delete {
            true => ConditionalDeleteStatus::Single,
            false => ConditionalDeleteStatus::NotSupported,
        })
        .search_include(served.includes.iter().cloned().map(Some).collect())
        .search_rev_include(served.reverse_includes.iter().cloned().map(Some).collect())
        .search_param(parameters.collect::<Result<_, _>>()?)
        .operation(operations(served.operations)?)
        .build()?)
}

fn operations(
    operations: &[Operation<'_>],
) -> Result<Vec<Option<r4b::CapabilityStatementRestResourceOperation>>, Error> {
    let built = operations.iter().map(|operation| {
        let built = r4b::CapabilityStatementRestResourceOperation::builder()
            .name(operation.name.to_owned())
            .definition(operation.definition.to_owned())
            .build()?;
        Ok(Some(built))
    });
    built.collect()
}

fn texts(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}
