#include "core/swarm/push_messages.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace runnel::swarm {
namespace {

constexpr std::uint8_t kWhole = 0x80;
constexpr std::uint64_t kMaxStep = 0x7f;   // munros from one entry to the next
constexpr std::uint64_t kMaxMunro = wire::kMaxChunkIndex / kPushMunroWidth;

// ---- writing --------------------------------------------------------------------------------------------------------

void write_path(base::Writer& writer, const Path& path) {
  base::check(path.size() <= kMaxPath, "path length");
  for (const NodeTag tag : path) writer.write(tag.value());
}

void write_map(base::Writer& writer, const MunroMap& map) {
  std::uint64_t at = map.entries.empty() ? 0 : map.entries.front().munro;
  writer.write(at);
  for (const MunroMap::Entry& entry : map.entries) {
    for (; entry.munro - at > kMaxStep; at += kMaxStep) {   // an entry of no chunks bridges a gap
      writer.write(static_cast<std::uint8_t>(kMaxStep));
      writer.write(std::uint32_t{0});
    }
    writer.write(static_cast<std::uint8_t>((entry.whole ? kWhole : 0U) | (entry.munro - at)));
    if (!entry.whole) writer.write(entry.chunks);
    at = entry.munro;
  }
}

void write(base::Writer& writer, const Subscribe& m) {
  writer.write(m.tree);
  writer.write(m.key);
}
void write(base::Writer& writer, const Accept& m) {
  writer.write(m.tree);
  write_path(writer, m.path);
}
void write(base::Writer& writer, const Refuse& m) {
  writer.write(m.tree);
  writer.write(static_cast<std::uint8_t>(m.reason));
  writer.write(m.hint.value());
  if (m.place != 0) writer.write(m.place);
}
void write(base::Writer& writer, const Redirect& m) {
  writer.write(m.tree);
  writer.write(m.hint.value());
}
void write(base::Writer& writer, const Unsubscribe& m) { writer.write(m.tree); }
void write(base::Writer& writer, const PathNews& m) {
  writer.write(m.tree);
  write_path(writer, m.path);
}
void write(base::Writer& writer, const Advert& m) {
  writer.write(m.uplink);
  writer.write(m.room);
  writer.write(m.queue);
  for (const std::uint32_t time : {m.sent_us, m.echo_us, m.held_us, m.delay_us}) writer.write(time);
  for (const std::uint8_t lag : m.lag) writer.write(lag);
  for (const std::uint8_t key : m.weakest_rank) writer.write(key);
}
void write(base::Writer& writer, const HaveMap& m) { write_map(writer, m.map); }
void write(base::Writer& writer, const Nack& m) { write_map(writer, m.map); }
void write(base::Writer& writer, const Busy& m) {
  writer.write(m.queue_ms);
  write_map(writer, m.map);
}
void write(base::Writer& writer, const Bundle& m) {
  writer.write(m.munro);
  writer.write(m.timestamp.value());
  writer.write_view(m.signature);
  for (const crypto::Digest& leaf : m.leaves) writer.write_view(leaf.view());
}
void write(base::Writer& writer, const Train& m) {
  base::check(m.size >= Train::kHead, "train size");
  writer.write(m.number);
  writer.write(m.datagrams);
  writer.write_view(base::Bytes(m.size - Train::kHead));
}
void write(base::Writer& writer, const Spread& m) {
  writer.write(m.train);
  writer.write(m.datagrams);
  writer.write(m.us);
}
void write(base::Writer& writer, const Roots& m) {
  for (const NodeTag root : m.roots) writer.write(root.value());
}
void write(base::Writer& writer, const Introduce& m) { writer.write(m.whom.value()); }

// ---- reading --------------------------------------------------------------------------------------------------------

std::optional<std::uint8_t> read_tree(base::Reader& reader) {
  const auto tree = reader.read<std::uint8_t>();
  return tree && *tree < kTrees ? tree : std::nullopt;
}

std::optional<Path> read_path(base::Reader& reader) {
  if (reader.remaining() % sizeof(std::uint32_t) != 0 || reader.remaining() / sizeof(std::uint32_t) > kMaxPath) return std::nullopt;
  Path path;
  while (const auto tag = reader.read<std::uint32_t>()) path.push_back(NodeTag{*tag});
  return path;
}

std::optional<MunroMap> read_map(base::Reader& reader) {
  auto at = reader.read<std::uint64_t>();
  if (!at) return std::nullopt;
  MunroMap map;
  for (std::size_t entries = 0; !reader.empty(); ++entries) {
    const auto head = reader.read<std::uint8_t>();
    if (entries == kMaxMapEntries || !head) return std::nullopt;
    const std::uint64_t step = *head & kMaxStep;
    if (*at > kMaxMunro - step || (step == 0 && !map.entries.empty())) return std::nullopt;
    *at += step;
    if ((*head & kWhole) != 0) {
      map.entries.push_back({*at, true, 0});
      continue;
    }
    const auto chunks = reader.read<std::uint32_t>();
    if (!chunks) return std::nullopt;
    if (*chunks != 0) map.entries.push_back({*at, false, *chunks});
  }
  return map;
}

std::optional<PushMessage> read_path_news(base::Reader& reader, bool accept) {
  const auto tree = read_tree(reader);
  auto path = read_path(reader);
  if (!tree || !path) return std::nullopt;
  if (accept) return Accept{*tree, std::move(*path)};
  return PathNews{*tree, std::move(*path)};
}

std::optional<PushMessage> read_refuse(base::Reader& reader) {
  const auto tree = read_tree(reader);
  const auto reason = reader.read<std::uint8_t>();
  const auto hint = reader.read<std::uint32_t>();
  if (!tree || !reason || !hint || *reason > static_cast<std::uint8_t>(Refuse::Reason::loop)) return std::nullopt;
  return Refuse{*tree, static_cast<Refuse::Reason>(*reason), NodeTag{*hint}, reader.read<std::uint16_t>().value_or(0)};
}

std::optional<PushMessage> read_advert(base::Reader& reader) {
  Advert advert;
  const auto uplink = reader.read<std::uint16_t>();
  const auto room = reader.read<std::uint8_t>();
  const auto queue = reader.read<std::uint8_t>();
  std::array<std::uint32_t*, 4> times{&advert.sent_us, &advert.echo_us, &advert.held_us, &advert.delay_us};
  for (std::uint32_t* time : times) *time = reader.read<std::uint32_t>().value_or(0);
  const auto lag = reader.read_view(kTrees);
  const auto keys = reader.read_view(kTrees);
  if (!uplink || !room || !queue || !lag || !keys) return std::nullopt;
  advert.uplink = *uplink;
  advert.room = *room;
  advert.queue = *queue;
  const auto plain = [](std::byte b) { return std::to_integer<std::uint8_t>(b); };
  std::ranges::transform(*lag, advert.lag.begin(), plain);
  std::ranges::transform(*keys, advert.weakest_rank.begin(), plain);
  return advert;
}

std::optional<PushMessage> read_bundle(base::Reader& reader, const wire::Format& format) {
  Bundle bundle;
  const auto munro = reader.read<std::uint64_t>();
  const auto timestamp = reader.read<std::uint64_t>();
  const auto signature = reader.read_view(format.signature_size);
  if (!munro || *munro > kMaxMunro || !timestamp || !signature || signature->empty() || format.hash_size == 0) return std::nullopt;
  if (reader.empty() || reader.remaining() % format.hash_size != 0 || reader.remaining() / format.hash_size > kPushMunroWidth)
    return std::nullopt;
  bundle.munro = *munro;
  bundle.timestamp = wire::NtpTimestamp{*timestamp};
  bundle.signature = base::to_bytes(*signature);
  while (const auto leaf = reader.read_view(format.hash_size)) bundle.leaves.emplace_back(*leaf);
  if (bundle.leaves.back().is_zero()) return std::nullopt;   // the munro's hash does not tell it from one that is left out
  return bundle;
}

}  // namespace

std::uint16_t type_of(const PushMessage& message) {
  return std::visit([](const auto& m) { return m.kType; }, message);
}

base::Bytes encode_push(const PushMessage& message) {
  base::Bytes value;
  base::Writer writer{value};
  std::visit([&](const auto& m) { write(writer, m); }, message);
  return value;
}

std::optional<PushMessage> decode_push(std::uint16_t type, base::ByteView value, const wire::Format& format) {
  base::Reader reader{value};
  const auto with_map = [&](auto make) -> std::optional<PushMessage> {
    auto map = read_map(reader);
    return map ? std::optional<PushMessage>{make(std::move(*map))} : std::nullopt;
  };
  switch (type) {
    case Subscribe::kType: {
      const auto tree = read_tree(reader);
      const auto key = reader.read<std::uint8_t>();
      return tree && key ? std::optional<PushMessage>{Subscribe{*tree, *key}} : std::nullopt;
    }
    case Accept::kType: return read_path_news(reader, true);
    case Refuse::kType: return read_refuse(reader);
    case Redirect::kType: {
      const auto tree = read_tree(reader);
      const auto hint = reader.read<std::uint32_t>();
      return tree && hint ? std::optional<PushMessage>{Redirect{*tree, NodeTag{*hint}}} : std::nullopt;
    }
    case Unsubscribe::kType: {
      const auto tree = read_tree(reader);
      return tree ? std::optional<PushMessage>{Unsubscribe{*tree}} : std::nullopt;
    }
    case PathNews::kType: return read_path_news(reader, false);
    case Advert::kType: return read_advert(reader);
    case HaveMap::kType: return with_map([](MunroMap map) { return HaveMap{std::move(map)}; });
    case Nack::kType: return with_map([](MunroMap map) { return Nack{std::move(map)}; });
    case Busy::kType: {
      const auto queue = reader.read<std::uint16_t>();
      if (!queue) return std::nullopt;
      return with_map([&](MunroMap map) { return Busy{*queue, std::move(map)}; });
    }
    case Bundle::kType: return read_bundle(reader, format);
    case Train::kType: {
      const auto number = reader.read<std::uint16_t>();
      const auto datagrams = reader.read<std::uint8_t>();
      return number && datagrams ? std::optional<PushMessage>{Train{*number, *datagrams, value.size()}} : std::nullopt;
    }
    case Spread::kType: {
      const auto train = reader.read<std::uint16_t>();
      const auto datagrams = reader.read<std::uint8_t>();
      const auto us = reader.read<std::uint32_t>();
      return train && datagrams && us ? std::optional<PushMessage>{Spread{*train, *datagrams, *us}} : std::nullopt;
    }
    case Roots::kType: {
      Roots roots;
      for (NodeTag& root : roots.roots) {
        const auto tag = reader.read<std::uint32_t>();
        if (!tag) return std::nullopt;
        root = NodeTag{*tag};
      }
      return roots;
    }
    case Introduce::kType: {
      const auto whom = reader.read<std::uint32_t>();
      return whom ? std::optional<PushMessage>{Introduce{NodeTag{*whom}}} : std::nullopt;
    }
    default: return std::nullopt;
  }
}

}  // namespace runnel::swarm
