//! Who asks, under which policy.
