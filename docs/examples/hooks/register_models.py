"""A provider of one model that answers with the question turned round: `evolvent solve --model mirror:v1 …`."""

from evolvent import hookimpl
from evolvent.types import ModelInfo


class Mirror:
    def create(self, name, settings):
        from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
        from langchain_core.messages import AIMessage

        class Reversing(GenericFakeChatModel):
            def _generate(self, messages, stop=None, run_manager=None, **options):
                self.messages = iter([AIMessage(str(messages[-1].content)[::-1])])
                return super()._generate(messages, stop, run_manager, **options)

        return Reversing(messages=iter([]))

    def models(self, settings):
        return [ModelInfo(ref="mirror:v1", installed=True)]

    def pull(self, name, settings, progress):
        progress(0, 0)


@hookimpl
def register_models(register):
    register("mirror", Mirror())
