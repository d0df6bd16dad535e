/** A script in Lua, which Redis runs without anything in between. */
export interface Script {
  readonly source: string;
}

/** How long the id of a publish is remembered. */
const ID_TTL_MS = 300_000;

/**
 * `load()` returns the last id of a log, and false where the log is to begin anew: head and log are made and dropped
 * together, so that one without the other counts as neither. A log without entries is complete once their time is over.
 * Its second result is an error, for a head that is not ours.
 */
const LOAD = `
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function load(head, log, now)
  local value = redis.pcall('GET', head)
  if type(value) == 'table' then return false, value.err end
  local exists = redis.call('EXISTS', log) == 1
  if value then
    local id, till = string.match(value, '^1 (%d+%-%d+) (%d+)$')
    if not id then return false, 'TAUTLINE The head of the log is not of this version of tautline.' end
    local isOver = now >= tonumber(till)
    if exists and isOver then redis.call('DEL', log) end
    if exists or isOver then return id end
  end
  if exists then redis.call('DEL', log) end
  return false
end
local function begin(head, tag, ttl)
  redis.call('SET', head, '1 0-' .. tag .. ' 0', 'PX', ttl)
  return '0-' .. tag
end
`;

/**
 * Appends and then publishes. Something is written before the publish in any case, because a demoted master refuses a
 * write, while its PUBLISH would succeed and reach nobody.
 *
 * KEYS: head (without history: a key that never exists), log (the same), and with an id its result.
 * ARGV: feed, kind, data, tag, and with history size, ttl and the head's ttl. Returns the id of the entry, or "-".
 */
export const PUBLISH: Script = {
  source: `${LOAD}
local feed, kind, data, tag, size, ttl, headTtl = unpack(ARGV)
local result = KEYS[3]
if result then
  local known = redis.call('GET', result)
  if known then return known end
end
if not size then
  if result then redis.call('SET', result, '-', 'PX', ${ID_TTL_MS}) else redis.call('DEL', KEYS[1]) end
  redis.call('PUBLISH', feed, '1' .. kind .. '\\n' .. data)
  return '-'
end
local now = clock()
local previous, failure = load(KEYS[1], KEYS[2], now)
if failure then return redis.error_reply(failure) end
local function append()
  local id = string.format('%.0f', string.match(previous, '^%d+') + 1) .. '-' .. tag
  return id, redis.pcall('XADD', KEYS[2], 'MAXLEN', '=', size, id, '1' .. kind, data, 'p', previous)
end
previous = previous or '0-' .. tag
local id, added = append()
if type(added) == 'table' and added.err and string.find(added.err, 'equal or smaller', 1, true) then
  redis.call('DEL', KEYS[2])
  previous = '0-' .. tag
  id, added = append()
end
if type(added) == 'table' and added.err then return added end
local till = string.format('%.0f', now + ttl)
redis.call('SET', KEYS[1], '1 ' .. id .. ' ' .. till, 'PX', headTtl)
redis.call('PEXPIREAT', KEYS[2], till)
if result then redis.call('SET', result, id, 'PX', ${ID_TTL_MS}) end
redis.call('PUBLISH', feed, '1' .. kind .. id .. ' ' .. previous .. '\\n' .. data)
return id
`,
};

/**
 * KEYS: head, log. ARGV: "after" or "last", the id or the number, messages, bytes, tag, the head's ttl.
 * Returns the head's id, and for each entry its id, the name and value of its first field, and those of its second.
 * Returns nil where there is no log to read after anything.
 */
export const READ: Script = {
  source: `${LOAD}
local mode, from, messages, bytes, tag, headTtl = unpack(ARGV)
local head, failure = load(KEYS[1], KEYS[2], clock())
if failure then return redis.error_reply(failure) end
if not head then
  if mode == 'after' then return false end
  head = begin(KEYS[1], tag, headTtl)
end
local reply = { head }
local entries = {}
if mode == 'after' then
  if from == head then return reply end
  entries = redis.call('XRANGE', KEYS[2], '(' .. from, '+', 'COUNT', messages)
elseif tonumber(from) >= redis.call('XLEN', KEYS[2]) then
  entries = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', messages)
elseif tonumber(from) > 0 then
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', from)
  for i = #newest, 1, -1 do entries[#entries + 1] = newest[i] end
end
local total = 0
for i, entry in ipairs(entries) do
  local fields = entry[2]
  total = total + #fields[2]
  if i > 1 and (i > tonumber(messages) or total > tonumber(bytes)) then break end
  reply[#reply + 1] = entry[1]
  for j = 1, 4 do reply[#reply + 1] = fields[j] or '' end
end
return reply
`,
};

/**
 * KEYS: head and log of each channel. ARGV: a tag and the head's ttl of each channel.
 * Returns an id for each channel, and an empty text for one whose head is not ours.
 */
export const HEADS: Script = {
  source: `${LOAD}
local now = clock()
local reply = {}
for i = 1, #KEYS / 2 do
  local key, tag, ttl = KEYS[2 * i - 1], ARGV[2 * i - 1], ARGV[2 * i]
  local head, failure = load(key, KEYS[2 * i], now)
  if failure then
    head = ''
  elseif head then
    redis.call('PEXPIRE', key, ttl)
  else
    head = begin(key, tag, ttl)
  end
  reply[i] = head
end
return reply
`,
};

/**
 * KEYS: the members. ARGV: what the names of leases begin with, and "1" where dead nodes count as alive.
 * Returns field and value of each member, and deletes those of dead nodes.
 */
export const MEMBERS: Script = {
  source: `
local alive, reply, dead = {}, {}, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local field = all[i]
  local node = string.match(field, '^([^/]*)/')
  if node and alive[node] == nil then
    alive[node] = ARGV[2] == '1' or redis.call('EXISTS', ARGV[1] .. node) == 1
  end
  if node and not alive[node] then
    dead[#dead + 1] = field
  else
    reply[#reply + 1] = field
    reply[#reply + 1] = all[i + 1]
  end
end
for _, field in ipairs(dead) do redis.call('HDEL', KEYS[1], field) end
return reply
`,
};

/** KEYS: the names of leases. ARGV: what the keys of leases begin with. Returns those that last, and forgets the others. */
export const NODES: Script = {
  source: `
local reply = {}
for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', ARGV[1] .. name) == 1 then
    reply[#reply + 1] = name
  else
    redis.call('SREM', KEYS[1], name)
  end
end
return reply
`,
};

export const SCRIPTS: readonly Script[] = [PUBLISH, READ, HEADS, MEMBERS, NODES];
