"""Two faults that have nothing to do with each other: both must be named, and nothing else; both remedies open the way."""

from outside.row import EGRESS, TUNNEL, pair
from outside.row import SG as INGRESS
from outside.rows import address, endpoint, instance, network_acl, public_access, route, security_group

SG, SG_OF_BROWSER = security_group.NO_RULE, security_group.NO_RULE_FOR_BROWSER
DENIED, NO_REPLIES, DENIED_TO_BROWSER = network_acl.DENIED, network_acl.NO_REPLIES, network_acl.DENIED_TO_BROWSER
NO_ROUTE, TO_NAT, DETACHED, BROWSER_TRANSIT = route.NO_ROUTE, route.TO_NAT, route.DETACHED, route.BROWSER_TRANSIT

ROWS = [
    pair(SG, DENIED),
    pair(SG, NO_REPLIES),
    pair(SG, NO_ROUTE),
    pair(SG, DETACHED),
    pair(SG, public_access.BIDIRECTIONAL),
    pair(SG, instance.NO_METADATA),
    pair(SG, address.NONE),
    pair(DENIED, NO_REPLIES),
    pair(DENIED, TO_NAT),
    pair(DENIED, DETACHED),
    pair(DENIED, instance.NO_METADATA),
    pair(NO_REPLIES, NO_ROUTE),
    pair(NO_REPLIES, public_access.BIDIRECTIONAL),
    pair(TO_NAT, instance.NO_METADATA),
    pair(TO_NAT, public_access.BIDIRECTIONAL),
    pair(DETACHED, public_access.BIDIRECTIONAL),
    pair(SG_OF_BROWSER, BROWSER_TRANSIT),
    pair(SG_OF_BROWSER, DENIED_TO_BROWSER),
    endpoint.pair("its group lets nothing out; the instance's admits nobody", (EGRESS, INGRESS),
                  lambda s: [s.rules(), s.egress(group=s.made["endpoint_group"])]),
    endpoint.pair("its group lets nothing out; no policy", (EGRESS, TUNNEL), lambda s: s.egress(group=s.made["endpoint_group"]), may=False),
    endpoint.pair("the instance's group admits nobody; no policy", (INGRESS, TUNNEL), lambda s: s.rules(), may=False),
    pair(DENIED, instance.STOPPED),
]  # fmt: skip
