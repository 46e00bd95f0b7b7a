// The ways to run this program. Each reads its Start message first, confines itself, works, and returns the exit status.
#pragma once
#include "media_helper/link.hpp"

namespace runnel::media_helper {

int run_ingest(HelperLink& link);
int run_ts(HelperLink& link);
int run_demand(HelperLink& link);
int run_scan(HelperLink& link);
int run_follow(HelperLink& link);

}  // namespace runnel::media_helper
