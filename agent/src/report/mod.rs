//! How a report of the agent leaves the instance.
