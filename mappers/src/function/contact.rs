//! Telephone numbers.

use super::{Call, Failure, Function, Output, exact};

/// The functions of this subject.
pub(super) const FUNCTIONS: &[Function] = &[Function { name: "phone", arguments: 3, forward: phone, backward: None }];

/// XTN.7 with country (XTN.5), area (XTN.6) and extension (XTN.8).
fn phone(call: &Call<'_>) -> Result<Output, Failure> {
    let argument = |n: usize| call.arguments.get(n).map_or("", |text| text.trim());
    let mut out = String::new();
    if !argument(0).is_empty() {
        if !argument(0).starts_with('+') {
            out.push('+');
        }
        out.push_str(argument(0));
        out.push(' ');
    }
    if !argument(1).is_empty() {
        out.push_str(argument(1));
        out.push(' ');
    }
    out.push_str(call.value.trim());
    if !argument(2).is_empty() {
        out.push_str(" X");
        out.push_str(argument(2));
    }
    exact(out)
}
