#include "media_helper/filter_library.hpp"

#include <dlfcn.h>

#include <optional>

namespace runnel::media_helper {
namespace {

// The version that this was compiled for, and no other.
constexpr const char* kFile = "libavfilter.so." AV_STRINGIFY(LIBAVFILTER_VERSION_MAJOR);

std::optional<FilterLibrary> open_library() {
  void* const library = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  bool whole = true;
  const auto find = [&]<class Function>(const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library, name));
    whole &= function != nullptr;
  };
  FilterLibrary f;
  find("avfilter_graph_alloc", f.graph_alloc);
  find("avfilter_graph_free", f.graph_free);
  find("avfilter_graph_create_filter", f.graph_create_filter);
  find("avfilter_graph_config", f.graph_config);
  find("avfilter_get_by_name", f.get_by_name);
  find("avfilter_link", f.link);
  find("av_buffersrc_add_frame_flags", f.add_frame_flags);
  find("av_buffersink_get_frame", f.get_frame);
  find("av_buffersink_get_time_base", f.get_time_base);
  return whole ? std::optional{f} : std::nullopt;
}

}  // namespace

const FilterLibrary* filter_library() {
  static const std::optional<FilterLibrary> opened = open_library();
  return opened ? &*opened : nullptr;
}

}  // namespace runnel::media_helper
