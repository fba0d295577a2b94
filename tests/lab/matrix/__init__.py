"""The fault lab: each row breaks a healthy instance in one way, and the login, not the table, says what that did."""
