#include "cmd.h"
#define S(x) int x(int a,char**b){return err(ST_FAILED,"not yet");}
#pragma GCC diagnostic ignored "-Wunused-parameter"
S(cmd_info) S(cmd_vcpu_list) S(cmd_vcpu_set) S(cmd_vcpu_pin) S(cmd_sched) S(cmd_mem_set) S(cmd_mem_max) S(cmd_dmesg) S(cmd_top) S(cmd_debug_keys) S(cmd_dump_core) S(cmd_block_list) S(cmd_network_list)
