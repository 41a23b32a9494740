#!/bin/sh
# Ready: a node that answers and, once it belongs to a cluster, serves in one that is whole and follows its master.
#
# Nodes look for each other at addresses that they remember. When all pods have new ones, none finds another; so a node
# that is not ready introduces itself to all. To a node that it knows, that only says the new address.
set -eu
REDISCLI_AUTH=$(cat /auth/password)
export REDISCLI_AUTH
self() { redis-cli --tls --cacert /tls/ca.crt -h "$POD_IP" "$@" | tr -d '\r'; }

info=$(self cluster info)
known=$(echo "$info" | sed -n 's/^cluster_known_nodes://p')
[ -n "$known" ] || { echo "no answer: $info"; exit 1; }
[ "$known" -gt 1 ] || exit 0
replication=$(self info replication)
if echo "$info" | grep -qx 'cluster_state:ok' && ! echo "$replication" | grep -qx 'master_link_status:down'; then
  exit 0
fi

i=0
while [ "$i" -lt "$REDIS_NODES" ]; do
  address=$(getent hosts "redis-$i.$REDIS_DOMAIN" | cut -d ' ' -f 1)
  [ -z "$address" ] || [ "$address" = "$POD_IP" ] || self cluster meet "$address" 6379 > /dev/null
  i=$((i + 1))
done

# Whoever learns its master's new address from a third node goes on following the old one, until it is told again.
followed=$(echo "$replication" | sed -n 's/^master_host://p')
nodes=$(self cluster nodes)
master=$(echo "$nodes" | sed -n 's/^.* myself,slave \([0-9a-f]*\) .*/\1/p')
if [ -n "$master" ] && ! echo "$nodes" | grep -q "^$master $followed:"; then
  self cluster replicate "$master" > /dev/null
fi
echo "not whole: $(echo "$info" | head -n 1)"
exit 1
