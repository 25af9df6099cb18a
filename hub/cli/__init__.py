"""The commands `evalroom hub …` and `evalroom verify`: one file each, argument parsing aside."""
