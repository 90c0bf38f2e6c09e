"""The scripts that run in Redis: each does all of its work, or none.

Those of a forwarder carry `flags=allow-oom`, because a Redis that is full would otherwise refuse the lease without
which nobody can drain it. That of a producer does not. Flags need Redis 7.0.

A shard has four keys under one hash tag: `entries` (a stream), `state` (a hash: bytes and events that wait, and the
record of the request under way), `lease` (who works on it) and `dead` (a stream).
"""

from __future__ import annotations

_FORWARDER = "#!lua flags=allow-oom\n"

_OWNED = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
"""

ADD = """#!lua
-- KEYS: metadata, marker, then entries and state of each shard. ARGV: format, shards, bytes per shard, key, marker's
-- seconds, milliseconds, then the count and the body for each shard.
local meta = redis.call('HMGET', KEYS[1], 'format', 'shards')
if meta[1] and (meta[1] ~= ARGV[1] or meta[2] ~= ARGV[2]) then return {'other', meta[1], meta[2] or ''} end
if not meta[1] and redis.call('EXISTS', KEYS[1]) == 1 then return {'foreign'} end
if redis.call('EXISTS', KEYS[2]) == 1 then return {'added'} end
for i = 3, #KEYS, 2 do
  redis.call('XLEN', KEYS[i])
  local waiting = tonumber(redis.call('HGET', KEYS[i + 1], 'bytes') or 0)
  if waiting > 0 and waiting + #ARGV[i + 5] > tonumber(ARGV[3]) then return {'full'} end
end
if not meta[1] then redis.call('HSET', KEYS[1], 'format', ARGV[1], 'shards', ARGV[2]) end
for i = 3, #KEYS, 2 do
  redis.call('XADD', KEYS[i], '*', 'v', ARGV[1], 'n', ARGV[i + 4], 'b', ARGV[i + 5], 'k', ARGV[4], 't', ARGV[6])
  redis.call('HINCRBY', KEYS[i + 1], 'bytes', #ARGV[i + 5])
  redis.call('HINCRBY', KEYS[i + 1], 'events', ARGV[i + 4])
end
redis.call('SET', KEYS[2], '1', 'EX', ARGV[5])
return {'added'}
"""
"""Adds a batch to all shards or to none, unless that was done before and only the response was lost."""

ACQUIRE = f"""{_FORWARDER}
-- KEYS: lease, state. ARGV: holder, milliseconds.
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
if redis.call('HGET', KEYS[2], 'sending') == '1' then redis.call('HINCRBY', KEYS[2], 'crashes', 1) end
return redis.call('HMGET', KEYS[2], 'skip', 'cut', 'crashes')
"""
"""Takes a free shard, and returns what its last forwarder was about. Counts if that one ended during a request."""

RENEW = f"""{_FORWARDER}{_OWNED}
-- KEYS: lease. ARGV: holder, milliseconds.
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

BEGIN = f"""{_FORWARDER}{_OWNED}
-- KEYS: lease, state. ARGV: holder, milliseconds, cut, key.
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('HGET', KEYS[2], 'cut') ~= ARGV[3] then redis.call('HDEL', KEYS[2], 'crashes') end
redis.call('HSET', KEYS[2], 'cut', ARGV[3], 'key', ARGV[4], 'sending', '1')
return 1
"""

PAUSE = f"""{_FORWARDER}{_OWNED}
-- KEYS: lease, state. ARGV: holder.
redis.call('HDEL', KEYS[2], 'sending', 'crashes')
return 1
"""
"""A response came, or none did in time. Whatever happens next is not the fault of these events."""

SETTLE = f"""{_FORWARDER}{_OWNED}
-- KEYS: lease, state, entries, dead. ARGV: holder, skip, bytes and events to add, how many ids, the ids, then the
-- fields of a dead letter, if there is one.
redis.pcall('HINCRBY', KEYS[2], 'bytes', ARGV[3]) -- the counts may be wrong, but stop nothing
redis.pcall('HINCRBY', KEYS[2], 'events', ARGV[4])
local ids = tonumber(ARGV[5])
if #ARGV > 5 + ids then redis.call('XADD', KEYS[4], '*', unpack(ARGV, 6 + ids)) end
if ids > 0 then redis.call('XDEL', KEYS[3], unpack(ARGV, 6, 5 + ids)) end
redis.call('HDEL', KEYS[2], 'cut', 'key', 'sending', 'crashes')
redis.call('HSET', KEYS[2], 'skip', ARGV[2])
if redis.call('XLEN', KEYS[3]) == 0 then redis.call('DEL', KEYS[2]) end
return 1
"""
"""Deletes what is settled. An empty shard counts from 0 again, should entries have been deleted by hand."""

RELEASE = f"""{_FORWARDER}{_OWNED}
-- KEYS: lease, state. ARGV: holder.
redis.call('HDEL', KEYS[2], 'sending', 'crashes')
return redis.call('DEL', KEYS[1])
"""

PRESENT = f"""{_FORWARDER}
-- KEYS: the forwarders. ARGV: holder, milliseconds (0: leaves).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if ARGV[2] == '0' then return redis.call('ZREM', KEYS[1], ARGV[1]) end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
return redis.call('ZCARD', KEYS[1])
"""
"""Counts the forwarders that run, so that they share the shards evenly."""

RATE = f"""{_FORWARDER}
-- KEYS: the limit of an API key. ARGV: requests per minute (0: no limit).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit = redis.call('HMGET', KEYS[1], 'not_before', 'next')
local wait = tonumber(limit[1] or 0) - now
local rate = tonumber(ARGV[1])
local due = math.max(tonumber(limit[2] or 0), now - 1000) -- a second late is made up for
if rate > 0 then wait = math.max(wait, due - now) end
if wait > 0 then return math.ceil(wait) end
if rate > 0 then
  redis.call('HSET', KEYS[1], 'next', string.format('%.3f', due + 60000 / rate))
  redis.call('EXPIRE', KEYS[1], 86400)
end
return 0
"""
"""Takes one request out of the rate, or returns the milliseconds to wait."""

HOLD_OFF = f"""{_FORWARDER}
-- KEYS: the limit of an API key. ARGV: milliseconds.
local time = redis.call('TIME')
local till = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
if till > tonumber(redis.call('HGET', KEYS[1], 'not_before') or 0) then
  redis.call('HSET', KEYS[1], 'not_before', string.format('%.0f', till))
end
redis.call('HINCRBY', KEYS[1], 'waits', 1)
redis.call('PEXPIRE', KEYS[1], math.max(86400000, ARGV[1]))
return 1
"""

REPLAY = f"""{_FORWARDER}
-- KEYS: entries, state, dead. ARGV: id, milliseconds, format.
local found = redis.call('XRANGE', KEYS[3], ARGV[1], ARGV[1])[1]
if not found then return 0 end
local fields = {{}}
for i = 1, #found[2], 2 do fields[found[2][i]] = found[2][i + 1] end
local body = fields['b'] or ''
redis.pcall('HINCRBY', KEYS[2], 'bytes', #body)
redis.pcall('HINCRBY', KEYS[2], 'events', fields['n'] or 0)
redis.call('XADD', KEYS[1], '*', 'v', fields['v'] or ARGV[3], 'n', fields['n'] or '0', 'b', body,
  'k', fields['k'] or '', 't', fields['t'] or ARGV[2])
return redis.call('XDEL', KEYS[3], ARGV[1])
"""
"""Puts a dead letter at the end of its shard."""
