//! Builds everything from the settings; listens and drains.
