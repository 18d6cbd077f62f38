//! Loads mapping packages and runs their maps, both ways.
