//! From a Bundle to a message: the same rows the other way.

use model::json::Json;

use crate::package::Package;
use crate::trace::Loss;
use crate::types::{RenderContext, Rendered};

pub(crate) fn render(package: &Package, bundle: &Json, context: &RenderContext) -> Rendered {
    let _ = (package, bundle, context);
    Rendered { bytes: Vec::new(), issues: Vec::new(), loss: Loss::default() }
}
