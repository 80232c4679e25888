// Zip files as they are written above 4 GiB: sizes and places in wide fields.
#include "engine/io/zip_file.h"

#include "engine/io/format_error.h"
#include "io_support.h"

namespace {

using canal::io::ZipFile;
using io_test::little;

constexpr uint64_t see_wide = 0xffffffff;

// One entry whose numbers are all in the wide fields. `record` is where the wide end record is said
// to lie; -1 for where it does.
std::string wide_zip(const std::string& name, const std::string& bytes, int64_t record = -1) {
  const std::string common =
      little(0, 2) + little(0, 2) + little(0, 4) + little(canal::io::crc32(bytes), 4);
  std::string out = "PK\x03\x04" + little(45, 2) + common + little(bytes.size(), 4) +
                    little(bytes.size(), 4) + little(name.size(), 2) + little(0, 2) + name + bytes;
  const size_t directory = out.size();
  const std::string foreign = little(0x7075, 2) + little(2, 2) + "ab";
  const std::string wide = little(1, 2) + little(24, 2) + little(bytes.size(), 8) +
                           little(bytes.size(), 8) + little(0, 8);
  out += "PK\x01\x02" + little(45, 2) + little(45, 2) + common + little(see_wide, 4) +
         little(see_wide, 4) + little(name.size(), 2) + little(foreign.size() + wide.size(), 2) +
         little(0, 10) + little(see_wide, 4) + name + foreign + wide;
  const size_t end = out.size();
  out += "PK\x06\x06" + little(44, 8) + little(0, 12) + little(1, 8) + little(1, 8) +
         little(end - directory, 8) + little(directory, 8);
  out += "PK\x06\x07" + little(0, 4) + little(record < 0 ? end : record, 8) + little(1, 4);
  return out + "PK\x05\x06" + little(0, 4) + little(0xffff, 2) + little(0xffff, 2) +
         little(see_wide, 4) + little(see_wide, 4) + little(0, 2);
}

TEST(Zip, WideFieldsAreFollowed) {
  const std::string bytes = wide_zip("a/data.pkl", "these bytes");
  ZipFile zip(bytes);
  EXPECT_EQ(zip.name_ending("/data.pkl"), "a/data.pkl");
  EXPECT_EQ(zip.read("a/data.pkl"), "these bytes");
}

TEST(Zip, DamageToWideFieldsIsTold) {
  const std::string good = wide_zip("a", "these bytes");
  EXPECT_THROW(ZipFile(wide_zip("a", "these bytes", 1 << 20)), canal::io::FormatError);
  EXPECT_THROW(ZipFile(wide_zip("a", "these bytes", 3)), canal::io::FormatError);
  std::string without_locator = good;
  without_locator.erase(good.find("PK\x06\x07"), 20);
  EXPECT_THROW(ZipFile{without_locator}, canal::io::FormatError);
  for (size_t at = 0; at < good.size(); ++at) {
    for (const char value : {'\x00', '\x7f', '\xff'}) {
      std::string damaged = good;
      damaged[at] = value;
      try {
        ZipFile zip(damaged);
        if (zip.has("a") && damaged != good) zip.read("a");
      } catch (const canal::io::FormatError&) {  // the one way in which it may end
      }
    }
  }
}

}  // namespace
