package store_test

const crashChild = "L2GW_STORE_CRASH_CHILD"

func writeUntilKilled() {}
