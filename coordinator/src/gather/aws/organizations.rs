//! AWS Organizations.

use super::{Clients, convert};
use crate::gather::fleet::operations::{ListAccounts, Member, Page};
use crate::gather::refused::Answer;

impl ListAccounts for Clients {
    async fn list_accounts(&self, token: Option<&str>) -> Answer<Page<Member>> {
        let request = self.organizations.list_accounts().set_next_token(token.map(str::to_owned));
        let answer = self.call(<Self as ListAccounts>::ACTION, request.send()).await?;
        let items = answer.accounts.unwrap_or_default().into_iter().map(convert::member).collect();
        Ok(Page { items, next: answer.next_token.filter(|token| !token.is_empty()) })
    }
}
