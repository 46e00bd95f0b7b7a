// libavfilter, opened by those who convert pictures and by nobody else: it brings thirty libraries of its own, and would take as long to
// start as all the rest of this program (docs/performance.md).
#pragma once
#include <cstdint>   // before FFmpeg's: they want its macros
extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
}

namespace runnel::media_helper {

// Its functions by their own names.
struct FilterLibrary {
  decltype(&avfilter_graph_alloc) graph_alloc = nullptr;
  decltype(&avfilter_graph_free) graph_free = nullptr;
  decltype(&avfilter_graph_create_filter) graph_create_filter = nullptr;
  decltype(&avfilter_graph_config) graph_config = nullptr;
  decltype(&avfilter_get_by_name) get_by_name = nullptr;
  decltype(&avfilter_link) link = nullptr;
  decltype(&av_buffersrc_add_frame_flags) add_frame_flags = nullptr;
  decltype(&av_buffersink_get_frame) get_frame = nullptr;
  decltype(&av_buffersink_get_time_base) get_time_base = nullptr;
};

// Opens it when asked first; nullptr: it is not there. Who will be confined asks before that, since it takes opening files. Any thread.
const FilterLibrary* filter_library();

}  // namespace runnel::media_helper
