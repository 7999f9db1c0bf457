namespace EdgeLlm.Chat.Jinja.Values;

internal enum DictViewKind { Keys, Values, Items }
