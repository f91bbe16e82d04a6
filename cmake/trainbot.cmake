# Warnings, sanitizers and the helper functions that every folder's CMakeLists.txt uses.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(trainbot_flags INTERFACE)
target_compile_options(trainbot_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef -Wvla
  -fno-omit-frame-pointer)
target_compile_definitions(trainbot_flags INTERFACE _GNU_SOURCE TRAINBOT_VERSION="${PROJECT_VERSION}")
if(TRAINBOT_WERROR)
  target_compile_options(trainbot_flags INTERFACE -Werror)
endif()
if(TRAINBOT_SANITIZE)
  add_compile_options(-fsanitize=${TRAINBOT_SANITIZE} -fno-sanitize-recover=all -g)
  add_link_options(-fsanitize=${TRAINBOT_SANITIZE})
endif()
if(TRAINBOT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -g)
  add_link_options(-fsanitize=address,undefined)
endif()
if(TRAINBOT_COVERAGE)
  add_compile_options(--coverage -O0 -g)
  add_link_options(--coverage)
endif()

# trainbot_library(NAME SOURCES a.c … [LINK lib …] [PACKAGES pkg-config-name …]): a static library; its folder is its
# include path. What stands in LINK and PACKAGES is all that its code may include.
function(trainbot_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PRIVATE_LINK;PACKAGES" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK} $<BUILD_INTERFACE:trainbot_flags>)
  foreach(package IN LISTS arg_PACKAGES)
    trainbot_package(${package})
    target_link_libraries(${name} PRIVATE PkgConfig::pc_${package})
  endforeach()
endfunction()

function(trainbot_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PACKAGES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK} trainbot_flags)
  foreach(package IN LISTS arg_PACKAGES)
    trainbot_package(${package})
    target_link_libraries(${name} PRIVATE PkgConfig::pc_${package})
  endforeach()
endfunction()

# Finds a pkg-config package once, as imported target PkgConfig::pc_NAME.
macro(trainbot_package package)
  if(NOT TARGET PkgConfig::pc_${package})
    pkg_check_modules(pc_${package} REQUIRED IMPORTED_TARGET GLOBAL ${package})
  endif()
endmacro()

# trainbot_test(NAME SOURCES … LINK … [ARGS …] [LABELS …]): a cmocka program that ctest runs.
function(trainbot_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINK;PACKAGES;ARGS;LABELS" ${ARGN})
  trainbot_program(${name} SOURCES ${arg_SOURCES} LINK ${arg_LINK} PACKAGES cmocka ${arg_PACKAGES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT 120 LABELS "${arg_LABELS}"
    ENVIRONMENT "TRAINBOT_SOURCE=${PROJECT_SOURCE_DIR};TRAINBOT_BIN=${CMAKE_BINARY_DIR}/bin")
  if(arg_TIMEOUT)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT})
  endif()
endfunction()

# trainbot_fuzzer(NAME SOURCE LINK … CORPUS dir): LLVMFuzzerTestOneInput from SOURCE. With TRAINBOT_FUZZ a libFuzzer
# program; always a replay program that runs the committed corpus under ctest.
function(trainbot_fuzzer name)
  cmake_parse_arguments(arg "" "SOURCE;CORPUS" "LINK;PACKAGES" ${ARGN})
  if(TRAINBOT_FUZZ)
    trainbot_program(${name} SOURCES ${arg_SOURCE} LINK ${arg_LINK} PACKAGES ${arg_PACKAGES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endif()
  trainbot_program(${name}_replay SOURCES ${arg_SOURCE} ${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay.c
    LINK ${arg_LINK} PACKAGES ${arg_PACKAGES})
  set_target_properties(${name}_replay PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name}_replay COMMAND ${name}_replay ${arg_CORPUS})
  set_tests_properties(${name}_replay PROPERTIES TIMEOUT 120 LABELS "fuzz")
endfunction()
