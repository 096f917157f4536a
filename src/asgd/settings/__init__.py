"""Settings: what params.yaml and the command line may say, typed; one file a section."""
