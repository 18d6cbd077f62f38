//! The gateway: network, people, consent, storage, time.

pub mod api;
pub mod app;
pub mod audit;
pub mod cli;
pub mod config;
pub mod console;
pub mod convert;
pub mod demo;
pub mod egress;
pub mod emergency;
pub mod health;
pub mod index;
pub mod ingress;
pub mod keys;
pub mod layers;
pub mod merges;
pub mod metrics;
pub mod packages;
pub mod pipeline;
pub mod policies;
pub mod sealing;
pub mod serve;
pub mod terminology_server;
pub mod tls;
pub mod unmapped;
pub mod validation;
