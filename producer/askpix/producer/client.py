"""What a producer does: submits jobs, follows them, asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from askpix.producer.asking import ASK_SECONDS, Ask, ask
from askpix.producer.broker import Broker, answering
from askpix.producer.dispatch import Dispatcher
from askpix.producer.followed import Job
from askpix.producer.items import Item, Options, Turn
from askpix.producer.job_folder import JobFolder
from askpix.producer.job_order import PART_SIZE, Order
from askpix.producer.progress import Reading
from askpix.producer.questions import Question
from askpix.producer.registry import WorkerInfo
from askpix.producer.settings import load_settings
from askpix.producer.storage_opening import open_storage
from askpix.producer.submission import write_job


class Client:
    """Puts jobs on the queue.

    Args:
        broker_url: redis://, rediss://, redis+sentinel:// or redis+socket://. Without one, ASKPIX_BROKER_URL.
    """

    def __init__(self, broker_url: str | None = None) -> None:
        settings = load_settings(broker_url)
        self._broker = Broker(settings.broker_url)
        self._dispatcher = Dispatcher(self._broker, settings.window)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._broker.close()

    def submit(
        self,
        items: Iterable[Item | str],
        *,
        output: str,
        model: str,
        questions: Sequence[Question | str] | None = None,
        options: Options | Mapping[str, Any] | None = None,
        base: str | None = None,
        device: str | None = None,
        notify: str | None = None,
        part_size: int = PART_SIZE,
        max_queued: int | None = None,
        cache: bool = True,
        told: Callable[[str], None] | None = None,
    ) -> Job:
        """Writes a job folder and queues its parts; a job that is there already is carried on.

        Args:
            items: images or items, read once and never held whole.
            output: URI of the job folder: a path, or s3://bucket/prefix.
            model: name of the model that is to answer.
            questions: asked of every item without its own; None captions.
            options: how answers are generated.
            base: what relative image references count from; by default the current folder.
            device: the kind of device that is to answer: cpu, gpu, npu, auto, hetero or multi; None stands for any.
            notify: a Celery task, as TASK or TASK@QUEUE, to be sent when all is answered; workers must
                allow it.
            part_size: items in a part.
            max_queued: parts that wait in the broker at a time; by default as ASKPIX_WINDOW says. Workers queue
                further ones as they take these.
            cache: whether answers that were given before may be given again, and are kept. A job that is there already
                stays as it was begun.
            told: is told, in words for a person, when the broker has to be waited for: it is full, or lost.

        Raises:
            InputError: the items cannot be read, or there are none, or ids come twice, or an option is
                unknown, or `device` is no kind of device, or `notify` names no task.
            JobError: the folder holds another job.
            BrokerError: the broker does not answer, or not any more: submit again.
            StorageError: the folder cannot be written.
        """
        asked = None if questions is None else tuple(map(_question, questions))
        order = Order(
            model=model,
            questions=asked or None,
            options=options if isinstance(options, Options) else Options.parse(options or {}),
            part_size=part_size,
            device=device,
            notify=notify,
            max_queued=max_queued,
            cache=cache,
        )
        self._dispatcher.check()
        folder = JobFolder(open_storage(output))
        spec = write_job(items, folder, order, base=base or str(Path.cwd()))
        self._dispatcher.enqueue(folder, spec, told=told)
        return Job(folder, spec, self._broker, self._dispatcher)

    def job(self, uri: str) -> Job:
        """Returns the job in a folder.

        Raises:
            JobError: there is none.
        """
        opened = Job.open(uri)
        return Job(opened.folder, opened.spec, self._broker, self._dispatcher)

    def ask(
        self,
        image: str | None,
        questions: Question | str | Sequence[Question | str] = (),
        *,
        model: str,
        history: Sequence[Turn | Mapping[str, Any]] = (),
        options: Options | Mapping[str, Any] | None = None,
        output: str | None = None,
        device: str | None = None,
        expires: float = ASK_SECONDS,
        stream: bool = False,
        cache: bool = True,
    ) -> Ask:
        """Sends one image to a worker, ahead of all parts; without a question, it is captioned.

        Args:
            image: a URL, an S3 URI, a data URI, or a local file, which is sent along. None where the history shows
                one, and no other is shown with the question.
            history: what was asked before, and answered, as turns or {question, answer, images}; 20 at most, for models
                of the LLaVA kind. Of images, such as these take, 8 may be shown in all.
            output: URI of a .json file to which the worker writes the result too.
            expires: seconds after which no worker begins with it any more.
            stream: read the answer while it is generated, with `Ask.pieces`; of one question at most.
            cache: whether an answer that was given before may be given again, and is kept.

        Raises:
            InputError: the file cannot be read, or a question, a turn, an option, the device or `expires` is not valid.
            BrokerError: the broker did not take it.
        """
        return ask(
            self._broker,
            image,
            [questions] if isinstance(questions, Question | str) else questions,
            model=model,
            history=history,
            options=options if isinstance(options, Options) else Options.parse(options or {}),
            output=output,
            device=device,
            expires=expires,
            stream=stream,
            cache=cache,
        )

    def jobs(self) -> list[tuple[str, Reading | None]]:
        """Returns the active jobs: their folders and counters; None where the counters were lost.

        Raises:
            BrokerError: the broker does not answer.
        """
        with answering():
            return self._dispatcher.registry.jobs()

    def workers(self) -> list[WorkerInfo]:
        """Returns the live workers, with what their engines have done.

        Raises:
            BrokerError: the broker does not answer.
        """
        with answering():
            return self._dispatcher.registry.workers()

    def refused(self) -> dict[str, int]:
        """Returns how many messages workers have refused, by reason.

        Raises:
            BrokerError: the broker does not answer.
        """
        with answering():
            return self._dispatcher.registry.refused()


def _question(question: Question | str) -> Question:
    return Question.parse(question) if isinstance(question, str) else question
