#include "store/index_db.hpp"

#include <gtest/gtest.h>

#include "unit/store/fixtures.hpp"

namespace runnel::store::test {
namespace {

// What the fuzzer found: a spoilt row whose root has no bytes.
TEST(IndexDb, a_root_of_a_length_that_is_no_hash_is_damage) {
  const TempFolder folder;
  for (const std::size_t length : {0UL, 20UL, 31UL, 33UL}) {
    auto db = IndexDb::open(folder / ("index" + std::to_string(length)));
    ASSERT_TRUE(db);
    IndexHeader header;
    header.root = crypto::Digest{length};
    header.algorithm = crypto::HashAlgorithm::sha256;
    header.chunk_size = 1080;
    ASSERT_TRUE(db->save_header(header));
    const auto read = db->header();
    ASSERT_FALSE(read) << length;
    EXPECT_EQ(read.error().fault, Fault::damaged_index);
  }
}

}  // namespace
}  // namespace runnel::store::test
