-- Wireshark dissector for PPSPP (RFC 7574) and what Runnel adds to it (docs/EXTENSIONS.md). ./run dissector installs it.
--
-- How long a message is depends on its swarm: the way of naming chunks, the hash, the key and the chunk size are learnt from the
-- handshakes of each conversation and kept by endpoint and channel id. Where a capture begins after the handshakes, they can be
-- set in the protocol's preferences. Section numbers are of RFC 7574.

local ppspp = Proto("ppspp", "Peer-to-Peer Streaming Peer Protocol")

-- ---- names ----------------------------------------------------------------------------------------------------------
local HANDSHAKE, DATA, PEX_RESV4, SIGNED_INTEGRITY, EXTENSION, PUSHED = 0, 1, 5, 7, 224, 225
local MESSAGES = {
  [0] = "HANDSHAKE", "DATA", "ACK", "HAVE", "INTEGRITY", "PEX_RESv4", "PEX_REQ", "SIGNED_INTEGRITY", "REQUEST", "CANCEL", "CHOKE",
  "UNCHOKE", "PEX_RESv6", "PEX_REScert", [EXTENSION] = "EXTENSION", [PUSHED] = "PUSHED",
}
local OPTIONS = {
  [0] = "Version", "Minimum version", "Swarm id", "Content integrity protection", "Merkle hash function", "Live signature algorithm",
  "Chunk addressing", "Live discard window", "Supported messages", "Chunk size", [255] = "End",
}
local INTEGRITY = { [0] = "none", "Merkle hash tree", "Sign All", "Unified Merkle Tree" }
local HASHES = { [0] = "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512" }
local HASH_BYTES = { [0] = 20, 28, 32, 48, 64 }
local BIN32, BYTES64, CHUNKS32, BIN64, CHUNKS64 = 0, 1, 2, 3, 4
local ADDRESSINGS = { [0] = "32-bit bins", "64-bit byte ranges", "32-bit chunk ranges", "64-bit bins", "64-bit chunk ranges" }
-- DNSSEC's numbers (7.7; Ed25519 is RFC 8080's), and the length of a signature where the algorithm alone tells it (8.9).
local ALGORITHMS = { [5] = "RSASHA1", [8] = "RSASHA256", [13] = "ECDSAP256SHA256", [14] = "ECDSAP384SHA384", [15] = "ED25519" }
local SIGNATURE_BYTES = { [13] = 64, [14] = 96, [15] = 64 }
local RSA = { [5] = true, [8] = true }
local VARIABLE_CHUNK_SIZE = 0xFFFFFFFF
local MAX_BITMAP_BYTES = 32           -- 7.10
-- docs/EXTENSIONS.md: ids of Runnel's channels begin here, and so does every sealed datagram.
local FIRST_OWN_CHANNEL = 0xC0000000
local COUNTER_BYTES, TAG_BYTES = 8, 16
local ALPN = "runnel-seal/1 "
-- docs/EXTENSIONS.md, "Push".
local TREES, MAX_PATH, MAX_MAP_ENTRIES, MAX_LEAVES = 18, 32, 128, 32
local MAX_MUNRO = UInt64(0xFFFFFFFF, 0x01FFFFFF)      -- chunks are numbered to 2^62 - 1, 32 to a munro
local REASONS = { [0] = "full", "starving", "loop" }
local ABLE_TO_PUSH = 0x01
local NONE_OF_THEM = 255              -- a lag: not fed; a least key: no children
local MAX_NAMED = 12                  -- messages, and parts of one, that are named in the list of packets

-- ---- fields ---------------------------------------------------------------------------------------------------------
local f = {
  channel = ProtoField.uint32("ppspp.channel", "Channel", base.HEX, nil, nil, "Id that the receiver chose; 0 in a first datagram"),
  keepalive = ProtoField.bool("ppspp.keepalive", "Keep-alive"),
  message = ProtoField.none("ppspp.message", "Message"),
  type = ProtoField.uint8("ppspp.type", "Type", base.DEC, MESSAGES),
  undecoded = ProtoField.bytes("ppspp.undecoded", "Not decoded"),
  source_channel = ProtoField.uint32("ppspp.source_channel", "Source channel", base.HEX, nil, nil, "Id that the sender chose; 0 closes"),
  option = ProtoField.none("ppspp.option", "Option"),
  option_code = ProtoField.uint8("ppspp.option.code", "Code", base.DEC, OPTIONS),
  option_length = ProtoField.uint16("ppspp.option.length", "Length"),
  version = ProtoField.uint8("ppspp.version", "Version"),
  min_version = ProtoField.uint8("ppspp.min_version", "Minimum version"),
  swarm_id = ProtoField.bytes("ppspp.swarm_id", "Swarm id"),
  integrity = ProtoField.uint8("ppspp.integrity_method", "Content integrity protection", base.DEC, INTEGRITY),
  hash_function = ProtoField.uint8("ppspp.hash_function", "Merkle hash function", base.DEC, HASHES),
  algorithm = ProtoField.uint8("ppspp.signature_algorithm", "Live signature algorithm", base.DEC, ALGORITHMS),
  addressing = ProtoField.uint8("ppspp.addressing", "Chunk addressing", base.DEC, ADDRESSINGS),
  window = ProtoField.uint64("ppspp.discard_window", "Live discard window"),
  supported = ProtoField.bytes("ppspp.supported_messages", "Supported messages"),
  chunk_size = ProtoField.uint32("ppspp.chunk_size", "Chunk size", base.DEC, nil, nil, "Bytes; 4294967295 is variable"),
  bin = ProtoField.uint64("ppspp.bin", "Bin"),
  first = ProtoField.uint64("ppspp.first", "First chunk"),
  last = ProtoField.uint64("ppspp.last", "Last chunk"),
  first_byte = ProtoField.uint64("ppspp.first_byte", "First byte"),
  last_byte = ProtoField.uint64("ppspp.last_byte", "Last byte"),
  time_us = ProtoField.uint64("ppspp.time_us", "Sender's clock (us)"),
  pushed_us = ProtoField.uint32("ppspp.pushed.time_us", "Sender's clock (us)", base.DEC, nil, nil, "Modulo 2^32"),
  delay_us = ProtoField.uint64("ppspp.delay_us", "One-way delay sample (us)", base.DEC, nil, nil, "Modulo 2^64: the clocks need not agree"),
  payload = ProtoField.bytes("ppspp.chunk", "Chunk"),
  hash = ProtoField.bytes("ppspp.hash", "Hash"),
  ntp_time = ProtoField.absolute_time("ppspp.ntp_time", "NTP time stamp", base.UTC),
  unix_time = ProtoField.absolute_time("ppspp.unix_time", "Unix time stamp", base.UTC, "Microseconds, of older peers"),
  signature = ProtoField.bytes("ppspp.signature", "Signature"),
  ipv4 = ProtoField.ipv4("ppspp.pex.ipv4", "Address"),
  ipv6 = ProtoField.ipv6("ppspp.pex.ipv6", "Address"),
  port = ProtoField.uint16("ppspp.pex.port", "Port"),
  certificate_length = ProtoField.uint16("ppspp.pex.certificate_length", "Length"),
  certificate = ProtoField.bytes("ppspp.pex.certificate", "Certificate"),
  extension = ProtoField.uint16("ppspp.extension", "Extension"),
  extension_length = ProtoField.uint16("ppspp.extension.length", "Length"),
  extension_value = ProtoField.bytes("ppspp.extension.value", "Value"),
  node_id = ProtoField.uint64("ppspp.hello.node_id", "Node id", base.HEX),
  watchers = ProtoField.uint16("ppspp.hello.watchers", "Watchers"),
  abilities = ProtoField.uint8("ppspp.hello.abilities", "Abilities", base.HEX),
  pushes = ProtoField.bool("ppspp.hello.pushes", "Pushes", 8, nil, ABLE_TO_PUSH),
  beginning = ProtoField.uint64("ppspp.hello.beginning", "A player may begin with chunk"),
  push_tree = ProtoField.uint8("ppspp.push.tree", "Tree", base.DEC, nil, nil, "0 to 15 carry chunks, 16 and 17 bundles"),
  key = ProtoField.uint8("ppspp.push.key", "Key", base.DEC, nil, nil, "Eighths of a slot"),
  reason = ProtoField.uint8("ppspp.push.reason", "Reason", base.DEC, REASONS),
  place = ProtoField.uint16("ppspp.push.place", "Place", base.DEC, nil, nil, "Among those who give nothing and wait for room"),
  hint = ProtoField.uint32("ppspp.push.hint", "Hint", base.HEX, nil, nil, "Tag of a node that may have room"),
  path = ProtoField.uint32("ppspp.push.path", "Path", base.HEX, nil, nil, "Tag of a node on the way from the source to the sender"),
  munro = ProtoField.uint64("ppspp.push.munro", "Munro"),
  map_start = ProtoField.uint64("ppspp.map.start", "Counted from munro"),
  map_entry = ProtoField.none("ppspp.map.entry", "Entry"),
  map_whole = ProtoField.bool("ppspp.map.whole", "Whole", 8, nil, 0x80, "All chunks of the munro; its bundle, where something is missed"),
  map_step = ProtoField.uint8("ppspp.map.step", "Munros further", base.DEC, nil, 0x7F),
  map_chunks = ProtoField.uint32("ppspp.map.chunks", "Chunks", base.HEX, nil, nil, "Chunk 0 of the munro in the lowest bit"),
  busy_ms = ProtoField.uint16("ppspp.busy.queue_ms", "Queue (ms)"),
  uplink = ProtoField.uint16("ppspp.advert.uplink", "Uplink", base.DEC, nil, nil, "1/256 of the stream's rate"),
  room = ProtoField.uint8("ppspp.advert.room", "Room for children", base.DEC, nil, nil, "Half slots"),
  queue = ProtoField.uint8("ppspp.advert.queue", "Queue", base.DEC, nil, nil, "4 ms; 255 is that or more"),
  sent_us = ProtoField.uint32("ppspp.advert.sent_us", "Sender's clock (us)"),
  echo_us = ProtoField.uint32("ppspp.advert.echo_us", "Clock of the receiver's newest (us)", base.DEC, nil, nil, "0: none came yet"),
  held_us = ProtoField.uint32("ppspp.advert.held_us", "How long ago that came (us)"),
  advert_delay = ProtoField.uint32("ppspp.advert.delay_us", "Greatest one-way delay (us)", base.DEC, nil, nil,
                                   "Modulo 2^32: the clocks need not agree; 0: none came"),
  lags = ProtoField.bytes("ppspp.advert.lags", "Behind the source, per tree"),
  lag = ProtoField.uint8("ppspp.advert.lag", "Lag", base.DEC, nil, nil, "8 ms; 255 is not fed"),
  least_keys = ProtoField.bytes("ppspp.advert.least_keys", "Least keys of children, per tree"),
  least_key = ProtoField.uint8("ppspp.advert.least_key", "Least key", base.DEC, nil, nil, "Eighths of a slot; 255 is no children"),
  bundle_time = ProtoField.absolute_time("ppspp.bundle.ntp_time", "NTP time stamp", base.UTC),
  bundle_signature = ProtoField.bytes("ppspp.bundle.signature", "Signature"),
  leaf = ProtoField.bytes("ppspp.bundle.leaf", "Hash of a leaf"),
  train = ProtoField.uint16("ppspp.train", "Train"),
  train_datagrams = ProtoField.uint8("ppspp.train.datagrams", "Datagrams"),
  train_padding = ProtoField.bytes("ppspp.train.padding", "Padding"),
  spread_us = ProtoField.uint32("ppspp.train.spread_us", "From the first to the last (us)"),
  root = ProtoField.uint32("ppspp.root", "By way of, per tree", base.HEX, nil, nil, "Node tag of the source's child; 0: not fed"),
  whom = ProtoField.uint32("ppspp.whom", "Whose address is wanted", base.HEX, nil, nil, "Node tag"),
  counter = ProtoField.uint64("ppspp.sealed.counter", "Counter"),
  encrypted = ProtoField.bytes("ppspp.sealed.messages", "Encrypted messages"),
  tag = ProtoField.bytes("ppspp.sealed.tag", "Tag"),
}
for _, field in pairs(f) do table.insert(ppspp.fields, field) end

local invalid = ProtoExpert.new("ppspp.invalid", "Invalid message", expert.group.PROTOCOL, expert.severity.ERROR)
local unseen = ProtoExpert.new("ppspp.no_handshake", "No handshake seen for this channel", expert.group.UNDECODED, expert.severity.NOTE)
ppspp.experts = { invalid, unseen }

local assumed = {}
for value, name in pairs(ADDRESSINGS) do assumed[value + 1] = { value + 1, name, value } end
ppspp.prefs.assume = Pref.bool("Decode channels without handshakes", false, "As the settings below say")
ppspp.prefs.assumed_addressing = Pref.enum("Chunk addressing", CHUNKS32, "Where no handshake was captured", assumed, false)
ppspp.prefs.assumed_hash = Pref.uint("Bytes of a hash", 32, "Where no handshake was captured")
ppspp.prefs.assumed_signature = Pref.uint("Bytes of a signature", 64, "Where no handshake was captured")
ppspp.prefs.assumed_chunk = Pref.uint("Bytes of a chunk", 0, "Where no handshake was captured; 0: the rest of the datagram")

-- ---- what is known of conversations -----------------------------------------------------------------------------------
-- channels: by endpoint and the id it chose; pairs: "clear" or "sealed", by two endpoints; datagrams: the link of each that was
-- seen, since Wireshark comes back to them in any order. A link holds the options that both handshakes of a channel gave.
local state

function ppspp.init()
  state = { channels = {}, pairs = {}, datagrams = {} }
end

local function place(address, port, channel)
  return string.format("%s %d %08x", tostring(address), port, channel)
end

local function pair_of(pinfo)
  local one, other = tostring(pinfo.src) .. " " .. pinfo.src_port, tostring(pinfo.dst) .. " " .. pinfo.dst_port
  return one < other and one .. " " .. other or other .. " " .. one
end

local function modulus_bytes(id)
  -- RFC 3110 2: the length of the exponent in one byte, or in two behind a zero.
  local length, at = id:byte(2), 2
  if length == 0 and #id >= 4 then length, at = id:byte(3) * 256 + id:byte(4), 4 end
  return length and #id - at - length
end

local function signature_bytes(options)
  if options.integrity == 0 or options.integrity == 1 then return 0 end
  local algorithm = options.swarm_id and options.integrity and options.swarm_id:byte(1) or options.algorithm
  if RSA[algorithm] and options.swarm_id then return modulus_bytes(options.swarm_id) end
  return SIGNATURE_BYTES[algorithm]
end

-- The id of static content is a hash: where nothing was said, it tells the length of the others.
local function implied_hash_bytes(options)
  for _, bytes in pairs(HASH_BYTES) do
    if options.swarm_id and #options.swarm_id == bytes and options.integrity ~= 3 then return bytes end
  end
  return HASH_BYTES[2]
end

-- Live swarms as older peers have them: they leave out the options for hash and chunk size, which are SHA-1 and 1024 bytes; so may
-- who knows them and speaks to such.
local function is_older_live(options)
  local left_out = not options.hash_function and not options.chunk_size
  local narrow = options.addressing == CHUNKS32 or options.addressing == BIN32
  return options.integrity == 3 and options.algorithm == 13 and narrow and
    (left_out or options.hash_function == 0 and options.chunk_size == 1024)
end

-- What the lengths of a swarm's messages follow from. Options that were left out are as 11.1.6 says.
local function format_of(options)
  local hash_bytes = options.hash_function and HASH_BYTES[options.hash_function] or implied_hash_bytes(options)
  if options.integrity == 0 or options.integrity == 2 and not options.hash_function then hash_bytes = 0 end
  local chunk_bytes = options.chunk_size ~= VARIABLE_CHUNK_SIZE and options.chunk_size or nil
  local older_live = is_older_live(options)
  if older_live then hash_bytes, chunk_bytes = HASH_BYTES[0], 1024 end
  return { addressing = options.addressing or CHUNKS32, hash_bytes = hash_bytes, signature_bytes = signature_bytes(options), chunk_bytes = chunk_bytes,
           unix_time = older_live }
end

local function assumed_format()
  local prefs = ppspp.prefs
  return { addressing = prefs.assumed_addressing, hash_bytes = prefs.assumed_hash, signature_bytes = prefs.assumed_signature,
           chunk_bytes = prefs.assumed_chunk > 0 and prefs.assumed_chunk or nil }
end

-- ---- bytes ------------------------------------------------------------------------------------------------------------
-- What cannot be read is raised as { invalid = why }, and caught for each message and each value of an extension.
local function refuse(why)
  error({ invalid = why }, 0)
end

-- What the function returns; nil and why, where it refused.
local function attempt(read)
  local ok, result = pcall(read)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end       -- a fault of this script
  return nil, result.invalid
end

local Cursor = {}
Cursor.__index = Cursor

-- `short`: what is wrong where it is to go past its end.
local function cursor_at(tvb, at, stop, short)
  return setmetatable({ tvb = tvb, at = at, stop = stop or tvb:len(), short = short or "the datagram ends inside a message" }, Cursor)
end

function Cursor:left()
  return self.stop - self.at
end

function Cursor:take(count)
  if count > self:left() then refuse(self.short) end
  self.at = self.at + count
  return self.tvb(self.at - count, count)
end

function Cursor:peek()
  if self:left() == 0 then refuse(self.short) end
  return self.tvb(self.at, 1):uint()
end

-- Adds the next bytes as this field; as a number where they are at most four.
local function number(cursor, tree, field, count)
  local range = cursor:take(count)
  return range:uint(), tree:add(field, range)
end

local function problem(item, why)
  item:add_proto_expert_info(invalid, why)
end

local function is_zero(range)
  return range:raw() == string.rep("\0", range:len())
end

-- ---- the list of packets ------------------------------------------------------------------------------------------------
local function titled(name, text)
  return text == "" and name or name .. " " .. text
end

local function listed(texts, separator)
  if #texts <= MAX_NAMED then return table.concat(texts, separator) end
  return table.concat(texts, separator, 1, MAX_NAMED) .. string.format("%sand %d more", separator, #texts - MAX_NAMED)
end

-- ---- chunk specifications (4) -------------------------------------------------------------------------------------------
local function uint64(range)
  return range:len() == 8 and range:uint64() or UInt64(range:uint())
end

local function is_node(first, last)
  local width = last - first + 1
  if width == UInt64(0) then return first == UInt64(0) end
  return width:band(width - 1) == UInt64(0) and first:band(width - 1) == UInt64(0)
end

-- Leaf i of the tree is bin 2i, and the number of ones at its end tells the height of a bin (4.2).
local function read_bin(cursor, tree, bytes)
  local range = cursor:take(bytes)
  local item, bin = tree:add(f.bin, range), uint64(range)
  local width, rest = UInt64(1), bin
  for _ = 1, 8 * bytes do
    if rest:band(UInt64(1)) == UInt64(0) then break end
    width, rest = width:lshift(1), rest:rshift(1)
  end
  if rest == UInt64(0) and bytes * 8 == 64 and width == UInt64(0) or bytes == 4 and width == UInt64(0, 1) then
    item:append_text(" (empty)")
    return { text = "nothing", item = item }
  end
  local first = (bin - (width - 1)):rshift(1)
  local last = first + width - 1
  tree:add(f.first, first):set_generated()
  tree:add(f.last, last):set_generated()
  return { first = first, last = last, item = item }
end

local function read_byte_range(cursor, tree, chunk_bytes)
  local first_range, last_range = cursor:take(8), cursor:take(8)
  local first, last = first_range:uint64(), last_range:uint64()
  local item = tree:add(f.first_byte, first_range)
  tree:add(f.last_byte, last_range)
  if last < first then problem(item, "a range that ends before it starts (4.1.2)") end
  if not chunk_bytes then return { text = string.format("bytes %s..%s", tostring(first), tostring(last)), item = item } end
  local size = UInt64(chunk_bytes)
  if first % size ~= UInt64(0) then problem(item, "a byte range that begins inside a chunk") end
  first, last = first / size, last / size
  tree:add(f.first, first):set_generated()
  tree:add(f.last, last):set_generated()
  return { first = first, last = last, item = item }
end

local function read_chunk_range(cursor, tree, bytes)
  local first_range, last_range = cursor:take(bytes), cursor:take(bytes)
  local first, last = uint64(first_range), uint64(last_range)
  local item = tree:add(f.first, first_range)
  tree:add(f.last, last_range)
  if last < first then problem(item, "a range that ends before it starts (4.1.1)") end
  return { first = first, last = last, item = item }
end

local function read_chunks(cursor, tree, format)
  local method, chunks = format.addressing, nil
  if method == BIN32 or method == BIN64 then
    chunks = read_bin(cursor, tree, method == BIN32 and 4 or 8)
  elseif method == BYTES64 then
    chunks = read_byte_range(cursor, tree, format.chunk_bytes)
  else
    chunks = read_chunk_range(cursor, tree, method == CHUNKS32 and 4 or 8)
  end
  if not chunks.text then
    local first, last = tostring(chunks.first), tostring(chunks.last)
    chunks.text = first == last and first or first .. ".." .. last
  end
  return chunks
end

local function read_subtree(cursor, tree, format)
  local chunks = read_chunks(cursor, tree, format)
  if chunks.first and not is_node(chunks.first, chunks.last) then problem(chunks.item, "no node of the hash tree (5.4)") end
  return chunks
end

-- ---- HANDSHAKE (8.4) and its options (7) --------------------------------------------------------------------------------
local function known_value(item, value, names)
  if not names[value] then problem(item, "a value that nothing stands for") end
end

local function plain_option(field, name, bytes, names)
  return function(cursor, tree, options)
    local value, item = number(cursor, tree, field, bytes)
    options[name] = value
    if names then known_value(item, value, names) elseif value == 0 then problem(item, "a value that nothing stands for") end
  end
end

local function swarm_id_option(cursor, tree, options)
  local length, item = number(cursor, tree, f.option_length, 2)
  if length == 0 then
    problem(item, "an empty swarm id")
    return
  end
  local range = cursor:take(length)
  tree:add(f.swarm_id, range)
  options.swarm_id = range:raw()
end

local function window_option(cursor, tree, options)
  if not options.addressing then refuse("a discard window without the chunk addressing that gives its width (7.9)") end
  local short = options.addressing == BIN32 or options.addressing == CHUNKS32
  local range = cursor:take(short and 4 or 8)
  local item, value = tree:add(f.window, range), uint64(range)
  if value == (short and UInt64(0xFFFFFFFF) or UInt64.max()) then item:append_text(" (keeps everything)") end
end

local function supported_option(cursor, tree)
  local length = number(cursor, tree, f.option_length, 1)
  if length > MAX_BITMAP_BYTES then refuse("a bitmap of more than 32 bytes (7.10)") end
  if length == 0 then return end
  local range, names = cursor:take(length), {}
  local bitmap = range:bytes()
  for kind = 0, 8 * length - 1 do
    -- Bit X from the left is message type X.
    if bit32.band(bitmap:get_index(math.floor(kind / 8)), bit32.rshift(0x80, kind % 8)) ~= 0 then
      table.insert(names, MESSAGES[kind] or tostring(kind))
    end
  end
  tree:add(f.supported, range):append_text(" (" .. table.concat(names, " ") .. ")")
end

local OPTION_READERS = {
  [0] = plain_option(f.version, "version", 1),
  plain_option(f.min_version, "min_version", 1),
  swarm_id_option,
  plain_option(f.integrity, "integrity", 1, INTEGRITY),
  plain_option(f.hash_function, "hash_function", 1, HASHES),
  plain_option(f.algorithm, "algorithm", 1),
  plain_option(f.addressing, "addressing", 1, ADDRESSINGS),
  window_option,
  supported_option,
  plain_option(f.chunk_size, "chunk_size", 4),
}

local function read_options(cursor, tree)
  local options, before, count = {}, -1, 0
  while true do
    local start, code = cursor.at, cursor:peek()
    -- An option that is not known has no known length: the rest cannot be read.
    if not OPTIONS[code] then refuse("option " .. code .. " is not known") end
    local item = tree:add(f.option, cursor.tvb(start, 1))
    item:set_text(OPTIONS[code])
    local _, code_item = number(cursor, item, f.option_code, 1)
    if code <= before then problem(code_item, "options are to be sorted, each at most once (7)") end
    if code == 255 then return options, count end
    OPTION_READERS[code](cursor, item, options)
    item:set_len(cursor.at - start)
    before, count = code, count + 1
  end
end

local function describe(options)
  local parts = {}
  local function add(text, value) if value then table.insert(parts, text .. value) end end
  add("version ", options.version)
  add("", options.integrity and INTEGRITY[options.integrity])
  add("", options.hash_function and HASHES[options.hash_function])
  add("", options.algorithm and (ALGORITHMS[options.algorithm] or "algorithm " .. options.algorithm))
  add("", options.addressing and ADDRESSINGS[options.addressing])
  if options.chunk_size then add("chunks of ", options.chunk_size == VARIABLE_CHUNK_SIZE and "any size" or options.chunk_size) end
  return table.concat(parts, ", ")
end

-- The link that a handshake belongs to. Who sends its first datagram again, or with fewer options, means the same channel (8.2).
local function learn(context, source, options)
  local pinfo, own = context.pinfo, place(context.pinfo.src, context.pinfo.src_port, source)
  local link = context.link or state.channels[own]
  local other_swarm = link and link.swarm_id and options.swarm_id and link.swarm_id ~= options.swarm_id
  if not link or other_swarm then link = {} end
  for name, value in pairs(options) do link[name] = value end
  state.channels[own] = link
  state.pairs[pair_of(pinfo)] = "clear"
  context.link = link
end

local function read_handshake(cursor, tree, context)
  if not context.is_first then problem(context.type_item, "a handshake that does not come first (3.1)") end
  local source, item = number(cursor, tree, f.source_channel, 4)
  local options, count = read_options(cursor, tree)
  if source == 0 then
    if count > 1 or count == 1 and not options.version then problem(item, "a closing handshake with more than a version (8.4)") end
    return "closes"
  end
  if not context.pinfo.visited then learn(context, source, options) end
  if context.link then context.format = format_of(context.link) end
  return describe(options)
end

-- ---- the other messages (8.5 to 8.14) -------------------------------------------------------------------------------------
local function read_payload(cursor, tree, format)
  -- A chunk reaches to the end of the datagram, unless others of the same fixed size come after it.
  local length = math.min(cursor:left(), format.chunk_bytes or cursor:left())
  if length == 0 then refuse("a message without its chunk (8.6)") end
  tree:add(f.payload, cursor:take(length))
end

local function read_data(cursor, tree, context)
  local format = context.format
  local chunks = read_chunks(cursor, tree, format)
  if chunks.first and format.addressing ~= BYTES64 and chunks.first ~= chunks.last then problem(chunks.item, "DATA for more than one chunk (8.6)") end
  tree:add(f.time_us, cursor:take(8))
  read_payload(cursor, tree, format)
  return chunks.text
end

local function read_ack(cursor, tree, context)
  local chunks = read_chunks(cursor, tree, context.format)
  tree:add(f.delay_us, cursor:take(8))
  return chunks.text
end

local function read_named(cursor, tree, context)
  return read_chunks(cursor, tree, context.format).text
end

local function read_integrity(cursor, tree, context)
  local bytes = context.format.hash_bytes
  if not bytes or bytes == 0 then refuse("a hash where the swarm has none") end
  local chunks = read_subtree(cursor, tree, context.format)
  tree:add(f.hash, cursor:take(bytes))
  return chunks.text
end

local function read_signed_integrity(cursor, tree, context)
  local bytes = context.format.signature_bytes
  if bytes == 0 then refuse("a signature where the swarm has none") end
  if not bytes then refuse("a signature whose length no handshake told (8.9)") end
  local chunks = read_subtree(cursor, tree, context.format)
  if context.format.unix_time then
    local stamp = cursor:take(8)
    local us = stamp:uint64()
    tree:add(f.unix_time, stamp, NSTime.new((us / 1000000):tonumber(), (us % 1000000):tonumber() * 1000))
  else
    tree:add_packet_field(f.ntp_time, cursor:take(8), ENC_TIME_NTP + ENC_BIG_ENDIAN)
  end
  tree:add(f.signature, cursor:take(bytes))
  return chunks.text
end

local function read_empty()
  return ""
end

local function read_address(field, bytes)
  return function(cursor, tree)
    local address = cursor:take(bytes)
    tree:add(field, address)
    local port = number(cursor, tree, f.port, 2)
    if bytes == 4 then return tostring(address:ipv4()) .. ":" .. port end
    return "[" .. tostring(address:ipv6()) .. "]:" .. port
  end
end

local function is_whole_certificate(range)
  -- DER: a SEQUENCE whose length has two bytes, and ends where the message does.
  return range:len() > 4 and range(0, 2):uint() == 0x3082 and range(2, 2):uint() == range:len() - 4
end

local function read_certificate(cursor, tree, context)
  local length = number(cursor, tree, f.certificate_length, 2)
  if length == 0 then return "" end
  local range = cursor:take(length)
  local item = tree:add(f.certificate, range)
  local x509 = DissectorTable.get("media_type"):get_dissector("application/pkix-cert")
  if x509 and is_whole_certificate(range) then x509:call(range:tvb(), context.pinfo, item) end
  return length .. " bytes"
end

-- ---- Runnel's extensions (docs/EXTENSIONS.md) ---------------------------------------------------------------------------
local function read_hello(cursor, tree)
  tree:add(f.node_id, cursor:take(8))
  local text = number(cursor, tree, f.watchers, 2) .. " watchers"
  if cursor:left() == 0 then return text end          -- of an earlier version
  local abilities = cursor:take(1)
  tree:add(f.abilities, abilities):add(f.pushes, abilities)
  if bit32.band(abilities:uint(), ABLE_TO_PUSH) ~= 0 then text = text .. ", pushes" end
  if cursor:left() >= 8 then tree:add(f.beginning, cursor:take(8)) end
  return text
end

local function read_tree(cursor, tree)
  local value, item = number(cursor, tree, f.push_tree, 1)
  if value >= TREES then problem(item, "there is no such tree") end
  return "tree=" .. value
end

local function read_hint(cursor, tree)
  local tag, item = number(cursor, tree, f.hint, 4)
  if tag == 0 then item:append_text(" (none is known)") end
  return string.format("hint=%08x", tag)
end

local function read_subscribe(cursor, tree)
  return read_tree(cursor, tree) .. " key=" .. number(cursor, tree, f.key, 1)
end

local function read_path(cursor, tree)
  local text, tags = read_tree(cursor, tree), {}
  while cursor:left() > 0 do
    if #tags == MAX_PATH then refuse("a path of more than 32 nodes") end
    local tag = number(cursor, tree, f.path, 4)
    table.insert(tags, string.format("%08x", tag))
  end
  return text .. " path=" .. listed(tags, ",")
end

local function read_refuse(cursor, tree)
  local text = read_tree(cursor, tree)
  local reason, item = number(cursor, tree, f.reason, 1)
  if not REASONS[reason] then problem(item, "a reason that nothing stands for") end
  text = string.format("%s %s %s", text, REASONS[reason] or "reason " .. reason, read_hint(cursor, tree))
  if cursor:left() < 2 then return text end           -- it does not wait
  local place = number(cursor, tree, f.place, 2)
  return place == 0 and text or text .. " place=" .. place
end

local function read_redirect(cursor, tree)
  return read_tree(cursor, tree) .. " " .. read_hint(cursor, tree)
end

local function check_munro(item, munro)
  if munro > MAX_MUNRO then problem(item, "past the last munro that has chunks") end
end

-- Returns its munro and what it says of it: nil of an entry without chunks, which only bridges a gap.
local function read_map_entry(cursor, tree, before, is_first)
  local start, head = cursor.at, cursor:take(1)
  local is_whole, step = head:bitfield(0, 1) == 1, head:bitfield(1, 7)
  local munro = before + step
  local item = tree:add(f.map_entry, head)
  item:set_text("Munro " .. tostring(munro))
  item:add(f.map_whole, head)
  local step_item = item:add(f.map_step, head)
  if step == 0 and not is_first then problem(step_item, "the munro of the entry before") end
  local munro_item = item:add(f.munro, munro)
  munro_item:set_generated()
  -- A sum past 2^64 begins at zero again.
  check_munro(munro_item, munro < before and before or munro)
  local chunks = is_whole and "whole"
  if not is_whole then chunks = string.format("%08x", (number(cursor, item, f.map_chunks, 4))) end
  item:append_text(": " .. chunks)
  item:set_len(cursor.at - start)
  return munro, chunks ~= "00000000" and tostring(munro) .. ":" .. chunks or nil
end

local function read_map(cursor, tree)
  local start = cursor:take(8)
  tree:add(f.map_start, start)
  local munro, entries, texts = start:uint64(), 0, {}
  while cursor:left() > 0 do
    if entries == MAX_MAP_ENTRIES then refuse("a map of more than 128 entries") end
    local text
    munro, text = read_map_entry(cursor, tree, munro, #texts == 0)
    table.insert(texts, text)
    entries = entries + 1
  end
  return listed(texts, " ")
end

local function read_busy(cursor, tree)
  local queue_ms = number(cursor, tree, f.busy_ms, 2)
  return titled(tostring(queue_ms), read_map(cursor, tree))
end

local function read_per_tree(cursor, tree, all, each, describe_one)
  local range = cursor:take(TREES)
  local group = tree:add(all, range)
  for index = 0, TREES - 1 do
    local one = range(index, 1)
    group:add(each, one):set_text(string.format("Tree %d: %s", index, describe_one(one:uint())))
  end
end

local function describe_lag(value)
  return value == NONE_OF_THEM and "not fed" or 8 * value .. " ms"
end

local function describe_least_key(value)
  return value == NONE_OF_THEM and "no children" or tostring(value)
end

local function read_advert(cursor, tree)
  local uplink, uplink_item = number(cursor, tree, f.uplink, 2)
  uplink_item:append_text(string.format(" (%.2f of the stream's rate)", uplink / 256))
  local room = number(cursor, tree, f.room, 1)
  local queue, queue_item = number(cursor, tree, f.queue, 1)
  queue_item:append_text(string.format(" (%d ms%s)", 4 * queue, queue == 255 and " or more" or ""))
  local sent, echo = number(cursor, tree, f.sent_us, 4), number(cursor, tree, f.echo_us, 4)
  local held, delay = number(cursor, tree, f.held_us, 4), number(cursor, tree, f.advert_delay, 4)
  read_per_tree(cursor, tree, f.lags, f.lag, describe_lag)
  read_per_tree(cursor, tree, f.least_keys, f.least_key, describe_least_key)
  return string.format("uplink=%d room=%d queue=%d sent=%d echo=%d held=%d delay=%d", uplink, room, queue, sent, echo, held, delay)
end

local function read_leaves(cursor, tree, hash_bytes)
  local count, item, zero = 0, nil, nil
  while cursor:left() > 0 do
    if count == MAX_LEAVES then refuse("a bundle of more than 32 hashes") end
    local range = cursor:take(hash_bytes)
    item, zero, count = tree:add(f.leaf, range), is_zero(range), count + 1
    if zero then item:append_text(" (no chunk)") end
  end
  if count == 0 then refuse("a bundle without a hash") end
  if zero then problem(item, "a leaf without a chunk at the end, which is left out") end
  return "leaves=" .. count
end

local function read_bundle(cursor, tree, context)
  local signature, hash = context.format.signature_bytes, context.format.hash_bytes
  if signature == 0 or hash == 0 then refuse("a bundle where the swarm has no signatures or no hashes") end
  local range = cursor:take(8)
  local text = tostring(range:uint64())
  check_munro(tree:add(f.munro, range), range:uint64())
  tree:add_packet_field(f.bundle_time, cursor:take(8), ENC_TIME_NTP + ENC_BIG_ENDIAN)
  -- How long the signature is, no handshake told: where the hashes begin is not known.
  if not signature then return text end
  tree:add(f.bundle_signature, cursor:take(signature))
  return text .. " " .. read_leaves(cursor, tree, hash)
end

local function read_train_head(cursor, tree)
  local train = number(cursor, tree, f.train, 2)
  return train .. " datagrams=" .. number(cursor, tree, f.train_datagrams, 1)
end

local function read_train(cursor, tree)
  local start = cursor.at
  local text = read_train_head(cursor, tree)
  local rest = cursor:left()
  if rest > 0 and is_zero(cursor.tvb(cursor.at, rest)) then tree:add(f.train_padding, cursor:take(rest)) end
  return text .. " size=" .. cursor.stop - start
end

local function read_spread(cursor, tree)
  return read_train_head(cursor, tree) .. " us=" .. number(cursor, tree, f.spread_us, 4)
end

local function read_roots(cursor, tree)
  local tags = {}
  for _ = 1, TREES do
    local range = cursor:take(4)
    tree:add(f.root, range)
    table.insert(tags, string.format("%08x", range:uint()))
  end
  return table.concat(tags, ",")
end

local function read_introduce(cursor, tree)
  local range = cursor:take(4)
  tree:add(f.whom, range)
  return string.format("%08x", range:uint())
end

local EXTENSIONS = {
  { name = "HELLO", read = read_hello }, { name = "SUBSCRIBE", read = read_subscribe }, { name = "ACCEPT", read = read_path },
  { name = "REFUSE", read = read_refuse }, { name = "REDIRECT", read = read_redirect }, { name = "UNSUBSCRIBE", read = read_tree },
  { name = "PATH", read = read_path }, { name = "ADVERT", read = read_advert }, { name = "HAVE_MAP", read = read_map },
  { name = "NACK", read = read_map }, { name = "BUSY", read = read_busy }, { name = "BUNDLE", read = read_bundle },
  { name = "TRAIN", read = read_train }, { name = "SPREAD", read = read_spread },
  { name = "ROOTS", read = read_roots }, { name = "INTRODUCE", read = read_introduce },
}

local function read_extension(cursor, tree, context)
  local id, item = number(cursor, tree, f.extension, 2)
  local length = number(cursor, tree, f.extension_length, 2)
  local known, text = EXTENSIONS[id], tostring(id)
  local start = cursor.at
  cursor:take(length)
  local value = cursor_at(cursor.tvb, start, start + length, "the value ends inside a field")
  if known then
    item:append_text(" (" .. known.name .. ")")
    local said, why = attempt(function() return known.read(value, tree, context) end)
    if why then problem(item, why) end
    text = titled(known.name, said or "(invalid)")
  end
  -- Longer values are of later versions.
  if value:left() > 0 then tree:add(f.extension_value, value:take(value:left())) end
  return text
end

local function read_pushed(cursor, tree, context)
  local chunk = cursor:take(6)
  tree:add(f.first, chunk, chunk:uint64())
  tree:add(f.last, chunk, chunk:uint64()):set_generated()
  tree:add(f.pushed_us, cursor:take(4))
  read_payload(cursor, tree, context.format)
  return tostring(chunk:uint64())
end

local READERS = {
  [0] = read_handshake, read_data, read_ack, read_named, read_integrity, read_address(f.ipv4, 4), read_empty, read_signed_integrity,
  read_named, read_named, read_empty, read_empty, read_address(f.ipv6, 16), read_certificate, [EXTENSION] = read_extension, [PUSHED] = read_pushed,
}

-- ---- datagrams ----------------------------------------------------------------------------------------------------------
-- One message; what came of it for the list of packets, or nil where the rest of the datagram cannot be read.
local function dissect_message(cursor, tree, context)
  local start = cursor.at
  local item = tree:add(f.message, cursor.tvb(start, 1))
  local kind
  kind, context.type_item = number(cursor, item, f.type, 1)
  local name = MESSAGES[kind]
  item:set_text(name or "Type " .. kind)
  local text, why = attempt(function()
    if not name then refuse("a type of message that is not known: it and all that follow are dropped (3)") end
    return READERS[kind](cursor, item, context)
  end)
  if why then
    if cursor.tvb:reported_len() > cursor.tvb:len() then why = why .. ", as far as it was captured" end
    problem(context.type_item, why)
    cursor.at = start
    return nil, name or tostring(kind)
  end
  local title = titled(name, text)
  item:set_text(title)
  item:set_len(cursor.at - start)
  return title
end

local function dissect_messages(cursor, tree, context)
  local titles = {}
  while cursor:left() > 0 do
    local start = cursor.at
    context.is_first = start == 4
    local title, bad = dissect_message(cursor, tree, context)
    table.insert(titles, title or bad .. " (invalid)")
    if not title then
      tree:add(f.undecoded, cursor:take(cursor:left()))
      break
    end
  end
  return listed(titles, "; ")
end

local function dissect_clear(tvb, pinfo, tree, context)
  local cursor = cursor_at(tvb, 4)
  if cursor:left() == 0 then
    tree:add(f.keepalive, true):set_generated()
    return "keep-alive"
  end
  return dissect_messages(cursor, tree, context)
end

local function dissect_sealed(tvb, tree)
  local text_bytes = tvb:len() - 4 - COUNTER_BYTES - TAG_BYTES
  local counter = tvb(4, COUNTER_BYTES)
  tree:add(f.counter, counter)
  if text_bytes > 0 then tree:add(f.encrypted, tvb(4 + COUNTER_BYTES, text_bytes)) end
  tree:add(f.tag, tvb(tvb:len() - TAG_BYTES, TAG_BYTES))
  return string.format("sealed, counter %s, %d bytes", tostring(counter:uint64()), text_bytes)
end

local function dissect_unknown(tvb, tree, channel_item)
  channel_item:add_proto_expert_info(unseen)
  if tvb:len() > 4 then tree:add(f.undecoded, tvb(4)) end
  return "no handshake seen"
end

local function is_sealed_size(tvb)
  return tvb:len() >= 4 + COUNTER_BYTES + TAG_BYTES
end

-- The link of the channel that this datagram goes to, as it was when the datagram was first seen.
local function link_to(pinfo, channel)
  local datagram = pinfo.number .. " " .. channel
  if not pinfo.visited then state.datagrams[datagram] = state.channels[place(pinfo.dst, pinfo.dst_port, channel)] end
  return state.datagrams[datagram], datagram
end

local function dissect_datagram(tvb, pinfo, root)
  local channel = tvb(0, 4):uint()
  local link, datagram = link_to(pinfo, channel)
  local tree = root:add(ppspp, tvb())
  local channel_item = tree:add(f.channel, tvb(0, 4))
  local context = { pinfo = pinfo, link = link, format = link and format_of(link) or format_of({}) }
  local text
  if link or channel == 0 then
    text = dissect_clear(tvb, pinfo, tree, context)
    state.datagrams[datagram] = context.link
  elseif ppspp.prefs.assume then
    context.format = assumed_format()
    text = dissect_clear(tvb, pinfo, tree, context)
  elseif channel >= FIRST_OWN_CHANNEL and is_sealed_size(tvb) then
    text = dissect_sealed(tvb, tree)
  elseif tvb:len() == 4 then
    text = dissect_clear(tvb, pinfo, tree, context)
  else
    text = dissect_unknown(tvb, tree, channel_item)
  end
  pinfo.cols.protocol = "PPSPP"
  pinfo.cols.info = string.format("%08x %s", channel, text)
end

-- ---- one socket, several protocols (docs/EXTENSIONS.md) --------------------------------------------------------------------
local STUN_COOKIE = 0x2112A442

-- Other implementations' channel ids may begin with any byte, so more than that one is looked at.
local function neighbour_of(tvb)
  local first = tvb(0, 1):uint()
  local version = tvb(1, 2):uint()
  if first >= 20 and first <= 63 and (version == 0xFEFF or version == 0xFEFD) then return "dtls" end
  if first <= 3 and tvb:len() >= 20 and tvb(4, 4):uint() == STUN_COOKIE then return "stun-udp" end
  if first == 0x64 and tvb(tvb:len() - 1, 1):uint() == 0x65 then return "bt-dht" end
end

local function is_known_channel(tvb, pinfo)
  return state.channels[place(pinfo.dst, pinfo.dst_port, tvb(0, 4):uint())] ~= nil
end

function ppspp.dissector(tvb, pinfo, root)
  if tvb:len() < 4 then return 0 end
  local neighbour = not is_known_channel(tvb, pinfo) and neighbour_of(tvb)
  if neighbour then return Dissector.get(neighbour):call(tvb, pinfo, root) end
  dissect_datagram(tvb, pinfo, root)
  return tvb:len()
end

-- Whether a list of options that begins with the version, as 7.2 wants, and ends, follows a channel id: a first datagram.
local function is_first_datagram(tvb)
  if tvb:len() < 12 or tvb(4, 1):uint() ~= HANDSHAKE or tvb(5, 4):uint() == 0 or tvb(9, 1):uint() ~= 0 then return false end
  local at, before, addressing = 9, -1, nil
  while at < tvb:len() do
    local code = tvb(at, 1):uint()
    if code == 255 then return true end
    if not OPTIONS[code] or code <= before then return false end
    local length_bytes, length = 0, (code == 9 and 4 or 1)
    if code == 2 then length_bytes = 2 elseif code == 8 then length_bytes = 1 end
    if at + 1 + math.max(length_bytes, 1) > tvb:len() then return false end
    if length_bytes > 0 then length = tvb(at + 1, length_bytes):uint() end
    if code == 6 then addressing = tvb(at + 1, 1):uint() end
    if code == 7 then length = (addressing == BIN32 or addressing == CHUNKS32) and 4 or 8 end
    at, before = at + 1 + length_bytes + length, code
  end
  return false
end

-- A ClientHello names its protocol in the clear: what is sealed between these two is ours.
local function note_sealing(tvb, pinfo)
  if not pinfo.visited and tvb:raw():find(ALPN, 1, true) then state.pairs[pair_of(pinfo)] = "sealed" end
end

local function is_ours(tvb, pinfo)
  if tvb:len() < 4 then return false end
  if is_known_channel(tvb, pinfo) then return true end
  local first, pair = tvb(0, 1):uint(), state.pairs[pair_of(pinfo)]
  if neighbour_of(tvb) then
    if first == 22 then note_sealing(tvb, pinfo) end
    return false
  end
  if tvb(0, 4):uint() == 0 then return is_first_datagram(tvb) or pair ~= nil and tvb:len() >= 10 and tvb(4, 5):bytes():tohex() == "0000000000" end
  return pair == "clear" or pair == "sealed" and tvb(0, 4):uint() >= FIRST_OWN_CHANNEL and is_sealed_size(tvb)
end

ppspp:register_heuristic("udp", function(tvb, pinfo, root)
  if not is_ours(tvb, pinfo) then return false end
  dissect_datagram(tvb, pinfo, root)
  return true
end)
DissectorTable.get("udp.port"):add_for_decode_as(ppspp)
