#!/bin/sh
# Makes one cluster of all nodes, a replica for each master. It changes nothing of a cluster that is whole, and nothing
# where a node holds a key; an attempt that was cut off half-way is begun again.
set -eu
REDISCLI_AUTH=$(cat /auth/password)
export REDISCLI_AUTH
ask() { address=$1; shift; redis-cli --tls --cacert /tls/ca.crt -h "$address" "$@" | tr -d '\r'; }
fail() { echo "$*" >&2; exit 1; }

whole() {
  for node in $nodes; do
    ask "$node" cluster info | grep -qx 'cluster_state:ok' || return 1
    list=$(ask "$node" cluster nodes)
    [ "$(echo "$list" | wc -l)" -eq "$REDIS_NODES" ] || return 1
    [ "$(echo "$list" | grep -c 'slave')" -eq $((REDIS_NODES / 2)) ] || return 1
  done
}

nodes=''
i=0
while [ "$i" -lt "$REDIS_NODES" ]; do
  node=$(getent hosts "redis-$i.$REDIS_DOMAIN" | cut -d ' ' -f 1)
  [ -n "$node" ] || fail "redis-$i.$REDIS_DOMAIN has no address yet"
  answer=$(ask "$node" ping)
  [ "$answer" = PONG ] || fail "redis-$i.$REDIS_DOMAIN is not ready: $answer"
  nodes="$nodes $node"
  i=$((i + 1))
done

if whole; then
  echo 'The cluster is whole: nothing to do.'
  exit 0
fi

for node in $nodes; do
  keys=$(ask "$node" dbsize)
  [ "$keys" = 0 ] || fail "The cluster is not whole, and $node holds keys ($keys): nothing was changed. Mend it with redis-cli --cluster fix."
done
endpoints=''
for node in $nodes; do
  ask "$node" cluster reset hard > /dev/null
  endpoints="$endpoints $node:6379"
done
# shellcheck disable=SC2086 # a list of words
redis-cli --tls --cacert /tls/ca.crt --cluster create $endpoints --cluster-replicas 1 --cluster-yes \
  || fail 'redis-cli could not make the cluster'

waited=0
until whole; do
  [ "$waited" -lt 60 ] || fail 'The cluster was made, but is not whole after a minute.'
  waited=$((waited + 1))
  sleep 1
done
echo 'The cluster is made.'
