namespace EdgeLlm.Chat.Jinja.Syntax;

internal enum TokenKind { Text, OutputBegin, OutputEnd, BlockBegin, BlockEnd, Name, Literal, String, Operator, End }
